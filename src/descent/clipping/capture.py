"""A clipping step that never waits for the host, so that it can be captured.

Reading the norm makes the program wait for the device, and forbids capturing the step
as a CUDA graph or compiling it whole. Here norm, percentile, decision and scaling stay
on the device as tensors. Three operators do the work; a compiler takes them as they
are, so that a compiled step has the very numbers of an eager one.

The sorted norms lie in a tensor of fixed length, infinity where there is none yet. With
a new norm among them, each place holds the middle one of three: the norm there, the one
below it, and the new one. So all are moved at once, without a search, which a GPU does
in microseconds for a million norms.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent.clipping.gradients import (
    HALF,
    SHIFT,
    TINIEST,
    TINY,
    WIDE,
    total_norm,
    wide_norm,
)

__all__ = ["DeviceHistory", "measure_on_device", "scale_on_device"]

# The smallest numbers above 0: a factor below them would be 0.
_SMALLEST_FACTOR = {torch.float32: 2.0**-149, torch.float64: 2.0**-1074}

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class Counts(NamedTuple):
    """What a device has counted.

    Attributes
    ----------
    steps : int
        Norms in the history.
    skipped : int
        Norms that were not finite.
    zeros : int
        Norms of 0.
    lost : int
        Norms for which there was no room.
    in_a_row : int
        Norms that were not finite, since the last finite one.
    """

    steps: int
    skipped: int
    zeros: int
    lost: int = 0
    in_a_row: int = 0


class DeviceHistory:
    """A history on a device, in the order it came and in sorted order.

    It takes eight bytes for each norm that there is room for, and as many for each
    that a window, or without one the history, can hold.

    Parameters
    ----------
    norms : numpy.ndarray
        The norms so far, shape (steps,).
    counts : Counts
        What was counted so far.
    window : int or None
        How many norms the percentile is taken of; None for all.
    capacity : int
        How many norms there is room for.
    device : torch.device
        Where.
    """

    def __init__(
        self,
        norms: np.ndarray,
        counts: Counts,
        window: int | None,
        capacity: int,
        device: torch.device,
    ) -> None:
        self.window, self.capacity = window, capacity
        self.most = len(norms)  # no more than that many can be there
        size = capacity if window is None else min(window, capacity)
        # The last place of `norms` takes what must not enter.
        self.norms = torch.zeros(capacity + 1, dtype=torch.float64, device=device)
        # Below the first place, something that is less than any norm.
        self.ordered = torch.empty(size + 1, dtype=torch.float64, device=device)
        self.counts = torch.zeros(len(Counts._fields), dtype=torch.int64, device=device)
        self.fill(norms, counts)

    def fill(self, norms: np.ndarray, counts: Counts) -> None:
        """Go on from another history, in the same memory."""
        recent = norms if self.window is None else norms[-self.window :]
        self.most = len(norms)
        self.norms[: len(norms)] = torch.from_numpy(norms)
        self.ordered.fill_(math.inf)
        self.ordered[0] = -math.inf
        self.ordered[1 : len(recent) + 1] = torch.from_numpy(np.sort(recent))
        self.counts.copy_(torch.tensor(counts))

    def grow(self) -> None:
        """Make room for twice as many norms; nothing is read on the host."""
        ordered, norms = self.ordered, self.norms
        self.capacity *= 2
        size = self.capacity if self.window is None else min(self.window, self.capacity)
        self.norms = norms.new_zeros(self.capacity + 1)
        self.norms[: len(norms) - 1] = norms[:-1]
        self.ordered = ordered.new_full((size + 1,), math.inf)
        self.ordered[: len(ordered)] = ordered

    def read(self) -> tuple[np.ndarray, Counts]:
        """Return the norms and what was counted. Here the host waits."""
        counts = Counts(*self.counts.tolist())
        return self.norms[: counts.steps].cpu().numpy(), counts

    def record(
        self,
        norm: Tensor,
        smallest: float,
        percentile: float,
        warmup: int,
        ceiling: float | None,
    ) -> Tensor:
        """Take note of a norm, and return the largest one allowed, as a tensor."""
        top = math.inf if ceiling is None else ceiling
        state = (self.ordered, self.norms, self.counts)
        window = self.window is not None
        return _record(norm, *state, percentile / 100, smallest, warmup, top, window)


# The schemas are written out: PyTorch 2.6 cannot read `list[Tensor]`.
@torch.library.custom_op(
    "descent::clipping_norm", mutates_args=(), schema="(Tensor[] gradients) -> Tensor"
)
def _norm(gradients: list[Tensor]) -> Tensor:
    """Return the norm of gradients as a float64, by the host's own operations.

    All measurements are made, also those that are needed for extreme norms only.
    """
    norm = total_norm(gradients).double()
    double = wide_norm(gradients)
    if any(gradient.dtype in WIDE for gradient in gradients):
        small = wide_norm(gradients, SHIFT) / SHIFT
        large = wide_norm(gradients, 1 / SHIFT) * SHIFT
        sound = (double > TINIEST) & (double < math.inf) | double.isnan()
        double = torch.where(sound, double, torch.where(double > 1, large, small))
    return torch.where((norm > TINY) & (norm < math.inf), norm, double)


@_norm.register_fake
def _(gradients: list[Tensor]) -> Tensor:
    return gradients[0].new_empty((), dtype=torch.float64)


@torch.library.custom_op(
    "descent::clipping_record", mutates_args=("ordered", "norms", "counts")
)
def _record(
    norm: Tensor,
    ordered: Tensor,
    norms: Tensor,
    counts: Tensor,
    share: float,
    smallest: float,
    warmup: int,
    ceiling: float,
    window: bool,
) -> Tensor:
    """Insert a norm into the history, and return the threshold."""
    steps, capacity, size = counts[0], len(norms) - 1, len(ordered) - 1
    finite = norm.isfinite()
    zero = (norm < smallest) | (norm == 0)
    counts_too = finite & ~zero
    enters = counts_too & (steps < capacity)
    entering = torch.where(enters, norm, math.inf)

    sorted_norms = torch.clamp(entering, min=ordered[:-1], max=ordered[1:])
    if window:
        # Where the window is full, the oldest norm leaves; those above it move down.
        full = enters & (steps >= size)
        oldest = torch.where(full, norms.take((steps - size).clamp(min=0)), math.inf)
        largest = torch.maximum(ordered[-1:], entering.view(1))
        above = torch.cat([sorted_norms[1:], largest])
        sorted_norms = torch.where(sorted_norms < oldest, sorted_norms, above)
    ordered[1:] = sorted_norms
    where = torch.where(enters, steps, capacity)
    norms.index_copy_(0, where.view(1), norm.view(1))

    # The percentile, in NumPy's order of operations.
    count = (steps + enters.long()).clamp(max=size)
    rank = share * (count - 1).double()
    lower = rank.long().clamp(min=0)
    low = ordered.take(lower + 1)
    high = ordered.take(torch.minimum(lower + 2, count.clamp(min=1)))
    weight, gap = rank - lower.double(), high - low
    threshold = torch.where(
        weight >= 0.5, high - gap * (1 - weight), low + gap * weight
    )
    threshold = torch.where(steps < warmup, math.inf, threshold).clamp(max=ceiling)

    in_a_row = torch.where(finite, 0, counts[4] + 1)
    change = torch.stack(
        [enters, ~finite, finite & zero, counts_too & ~enters, torch.zeros_like(enters)]
    )
    counts += change.long()
    counts[4:] = in_a_row
    return torch.where(counts_too, threshold, math.inf)


@_record.register_fake
def _(norm: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(norm)


@torch.library.custom_op(
    "descent::clipping_scale",
    mutates_args=("gradients",),
    schema="(Tensor(a!)[] gradients, Tensor norm, Tensor threshold, bool zero) -> ()",
)
def _scale(
    gradients: list[Tensor], norm: Tensor, threshold: Tensor, zero: bool
) -> None:
    """Rescale gradients above a threshold; if asked, zero those that are not finite."""
    finite = norm.isfinite()
    factor = torch.where(finite & (norm > threshold), threshold / norm, 1.0)
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for gradient in gradients:
        real = torch.view_as_real(gradient) if gradient.is_complex() else gradient
        groups.setdefault((real.device, real.dtype), []).append(real)
    for (device, dtype), group in groups.items():
        kind = torch.float32 if dtype in HALF else dtype
        here = factor.to(device, kind).clamp(min=_SMALLEST_FACTOR[kind])
        if dtype in HALF:
            for gradient in group:
                gradient.copy_(gradient.float() * here)
        else:
            torch._foreach_mul_(group, here)
        if zero:
            # As whole numbers, bits times 0 are 0, also those of what is no number.
            integer = _INTEGERS[dtype.itemsize]
            bits = [gradient.view(integer) for gradient in group]
            torch._foreach_mul_(bits, finite.to(device, integer))


@_scale.register_fake
def _(gradients: list[Tensor], norm: Tensor, threshold: Tensor, zero: bool) -> None:
    pass


def measure_on_device(gradients: list[Tensor]) -> Tensor:
    """Return the norm of gradients as a float64 tensor on the device of the first."""
    return _norm(gradients)


def scale_on_device(
    gradients: list[Tensor], norm: Tensor, threshold: Tensor, *, zero: bool
) -> None:
    """Do to gradients what a norm and a threshold ask for, in place.

    Parameters
    ----------
    gradients : list of torch.Tensor
        The gradients.
    norm, threshold : torch.Tensor
        Their norm and the largest one allowed, float64 of shape ().
    zero : bool
        Whether to set gradients whose norm is not finite to zero.
    """
    _scale(gradients, norm, threshold, zero)
