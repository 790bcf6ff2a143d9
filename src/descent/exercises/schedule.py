"""Checks of the chapter "The rate, the batch and the average".

Belongs to :doc:`/schedule`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_average", "check_warmup", "noise"]


@exercise("schedule-average")
def check_average(average: Callable[[Tensor, float], Tensor]) -> None:
    """Check the running mean of three paths."""
    rng = torch.Generator().manual_seed(0)
    for steps, decay in ((1, 0.9), (2, 0.5), (50, 0.9)):
        path = torch.randn(steps, 2, generator=rng)
        mean = path[0]
        for row in path[1:]:
            mean = decay * mean + (1 - decay) * row
        # A copy, so that an answer which changes the path does not change the next.
        got = average(path.clone(), decay)
        if unanswered(got):
            raise NotYet("Not answered yet.")
        expect(f"the mean of {steps} rows with decay {decay}", got, mean)


@exercise("schedule-warmup")
def check_warmup(rate_at: Callable[[float], float]) -> None:
    """Check a schedule that rises, holds and falls."""
    for share in (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0):
        expect(
            f"the rate at t = {share}",
            rate_at(share),
            min(1.0, share / 0.2, (1 - share) / 0.2),
        )


@answer("schedule-noise")
def noise() -> Answer:
    """Return signal, noise and noise scale from two mean squared norms."""
    return Answer(
        (
            Number("the squared norm of the gradient", 1.0),
            Number("S", 16.0),
            Number("the noise scale", 16.0),
        )
    )
