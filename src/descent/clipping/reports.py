"""What a clipper says of a step.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["DeviceReport", "Report", "SkippedStepsWarning"]


class SkippedStepsWarning(UserWarning):
    """Many steps in a row had a norm that was not finite: the training stands still."""


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
