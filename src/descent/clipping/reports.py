"""What a clipper says of a step.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "SKIPPED_IN_A_ROW",
    "DeviceReport",
    "Report",
    "SkippedStepsWarning",
    "warn_of_skips",
]

# A scaler that starts at PyTorch's 2**16 comes down to 1 in 16 steps; more in a row
# are no search for a scale.
SKIPPED_IN_A_ROW = 25

# The modules between a clipper and the program that trains.
_PASSED_THROUGH = (f"{__package__}.", "torch.")


class SkippedStepsWarning(UserWarning):
    """Many steps in a row had a norm that was not finite."""


def warn_of_skips(count: int) -> None:
    """Warn who called a clipper that so many steps in a row had no finite norm."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith(_PASSED_THROUGH):
        frame = frame.f_back
    # Not by `warn`: of several clippers that one line calls it shows the first alone.
    warnings.warn_explicit(
        f"{count} steps in a row had a gradient norm that is not finite. Likely "
        "causes: weights that are not finite any more, a loss that is undefined on the "
        "data (a logarithm or a root of 0, a division by 0), or 16-bit gradients that "
        "overflow at any scale. nonfinite='raise' stops at the first",
        SkippedStepsWarning,
        filename=frame.f_code.co_filename if frame else __file__,
        lineno=frame.f_lineno if frame else 1,
        module=_module(frame) if frame else __name__,
    )


def _module(frame: FrameType) -> str:
    """Return the name of a frame's module, if it has one."""
    return frame.f_globals.get("__name__") or "<unknown>"


class Report(NamedTuple):
    """What one clipping step did.

    Attributes
    ----------
    grad_norm : float
        The global norm before clipping.
    threshold : float
        The largest norm allowed at this step; infinity if any is.
    clipped : bool
        Whether the gradients were rescaled.
    skipped : bool
        Whether the gradients were thrown away because their norm was not finite: set
        to zero, or left for the gradient scaler, which then leaves out the step.
    """

    grad_norm: float
    threshold: float
    clipped: bool
    skipped: bool = False


class DeviceReport(NamedTuple):
    """What one clipping step did, on the device where it did it.

    Attributes
    ----------
    grad_norm, threshold : torch.Tensor
        As in :class:`Report`, float64 of shape ().
    clipped, skipped : torch.Tensor
        As in :class:`Report`, bool of shape ().
    """

    grad_norm: Tensor
    threshold: Tensor
    clipped: Tensor
    skipped: Tensor

    def read(self) -> Report:
        """Return the report as numbers; for them the program waits for the device."""
        norm, threshold, clipped, skipped = torch.stack(
            [self.grad_norm, self.threshold, *(x.double() for x in self[2:])]
        ).tolist()
        return Report(norm, threshold, bool(clipped), bool(skipped))
