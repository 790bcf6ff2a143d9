"""Checks of the exercises in the chapter "A network that separates".

Belongs to :doc:`/separation`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import exercise, expect
from descent.music import metrics

__all__ = ["check_si_sdr", "half"]


@exercise("separation-si-sdr")
def check_si_sdr(si_sdr: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check an SI-SDR written by hand."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(1000, generator=generator, dtype=torch.float64)
    noise = torch.randn(1000, generator=generator, dtype=torch.float64)
    cases = {
        "an estimate with a little noise": target + 0.1 * noise,
        "an estimate with much noise": target + 3 * noise,
        "an estimate five times too loud": 5 * target + 0.5 * noise,
        "an estimate with its sign turned": -target + 0.1 * noise,
    }
    for what, estimate in cases.items():
        right = metrics.si_sdr(estimate, target)
        expect(f"the SI-SDR of {what}", si_sdr(estimate, target), right, tolerance=1e-4)


@answer("separation-half")
def half() -> Answer:
    """Return the improvement of a mask that is one half everywhere."""
    return Answer(Number("the improvement in dB", 0.0))
