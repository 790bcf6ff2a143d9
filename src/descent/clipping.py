"""The global gradient norm, clipping by it, and AutoClip.

All three clippers are called the same way, between ``backward()`` and ``step()``::

    loss.backward()
    report = clip(model.parameters())
    optimizer.step()

They measure the global norm once, rescale the gradients in place if it is above
the threshold, and report what they did.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from sortedcontainers import SortedList
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from descent import checks

__all__ = ["AutoClip", "ClipNorm", "Clipper", "Report", "global_norm"]


class Report(NamedTuple):
    """What one clipping step did.

    Attributes
    ----------
    grad_norm : float
        The global norm before clipping.
    threshold : float
        The largest norm allowed at this step.
    clipped : bool
        Whether the gradients were rescaled.
    """

    grad_norm: float
    threshold: float
    clipped: bool


Clipper = Callable[[Iterable[Tensor]], Report]


def global_norm(parameters: Iterable[Tensor]) -> float:
    """Return the length of the gradient, all parameters taken as one vector.

    ``sqrt(sum of g**2 over every element of every gradient)``. Parameters
    without a gradient count as zero.

    Parameters
    ----------
    parameters : iterable of torch.Tensor
        The parameters, after ``backward()``.

    Returns
    -------
    float
        The norm; not a finite number if any element is not.
    """
    gradients = _gradients(parameters)
    if not gradients:
        return 0.0
    return float(get_total_norm(gradients))


class ClipNorm:
    """Clip by a fixed threshold.

    A gradient longer than the threshold is rescaled to that length; a shorter
    one is untouched. The direction never changes (Mikolov 2012; Pascanu, Mikolov
    and Bengio 2013).

    Parameters
    ----------
    threshold : float
        The largest norm allowed, above 0.

    Raises
    ------
    ValueError
        If `threshold` is not above 0.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = checks.real("threshold", threshold, above=0)

    def __call__(self, parameters: Iterable[Tensor]) -> Report:
        """Clip the gradients of `parameters` in place.

        Parameters
        ----------
        parameters : iterable of torch.Tensor
            The parameters, after ``backward()``.

        Returns
        -------
        Report
            The norm before, the threshold, and whether it clipped.

        Raises
        ------
        ValueError
            If the norm is not finite. No gradient is changed then.
        """
        return _clip(list(parameters), lambda norm: self.threshold)


class AutoClip:
    """Clip by a percentile of all gradient norms seen so far.

    Algorithm 1 of Seetharaman, Wichern, Pardo and Le Roux (2020): append the
    current norm to the history, take the `percentile` of the history, clip to it.
    The history is never cut, and the current norm is part of it: the first step
    is never clipped.

    Parameters
    ----------
    percentile : float
        From 0 (clip to the smallest norm so far) to 100 (never clip). The
        paper recommends 10.

    Raises
    ------
    ValueError
        If `percentile` is outside [0, 100].
    """

    def __init__(self, percentile: float = 10) -> None:
        self.percentile = checks.real("percentile", percentile, at_least=0, at_most=100)
        self._norms: list[float] = []
        self._sorted = SortedList()

    @property
    def history(self) -> np.ndarray:
        """Every norm so far, in the order it came, shape (steps,)."""
        return np.array(self._norms, dtype=np.float64)

    def __call__(self, parameters: Iterable[Tensor]) -> Report:
        """Add the norm to the history and clip the gradients in place.

        Parameters
        ----------
        parameters : iterable of torch.Tensor
            The parameters, after ``backward()``.

        Returns
        -------
        Report
            The norm before, the threshold, and whether it clipped.

        Raises
        ------
        ValueError
            If the norm is not finite: one such norm in the history would spoil
            every later threshold. Neither history nor gradients are changed.
        """
        return _clip(list(parameters), self._threshold)

    def _threshold(self, norm: float) -> float:
        """Add `norm` to the history and return the history's percentile."""
        self._norms.append(norm)
        self._sorted.add(norm)
        return self._percentile()

    def _percentile(self) -> float:
        """Return the percentile of the sorted history, without sorting it again.

        Linear interpolation between the two neighbors of the rank
        ``p / 100 * (n - 1)``, in the order of operations that NumPy uses, so
        that the result equals ``numpy.percentile(history, p)`` bit for bit.
        """
        rank = (self.percentile / 100) * (len(self._sorted) - 1)
        below = int(rank)
        low = self._sorted[below]
        if below + 1 == len(self._sorted):
            return float(low)
        gap = self._sorted[below + 1] - low
        weight = rank - below
        if weight >= 0.5:
            return float(self._sorted[below + 1] - gap * (1 - weight))
        return float(low + gap * weight)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients of the parameters that have one."""
    return [p.grad for p in parameters if p.grad is not None]


def _clip(parameters: list[Tensor], threshold_for: Callable[[float], float]) -> Report:
    """Measure once, clip once, report.

    Parameters
    ----------
    parameters : list of torch.Tensor
        The parameters whose gradients are clipped in place.
    threshold_for : callable
        Gets the finite global norm, returns the largest norm allowed.

    Returns
    -------
    Report
        What happened.
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients) if gradients else torch.zeros(())
    norm = float(total)
    if not np.isfinite(norm):
        raise ValueError(
            f"the gradient norm must be a finite number, got {norm}: a step along "
            "this gradient would spoil the weights"
        )
    threshold = threshold_for(norm)
    clipped = norm > threshold
    if clipped:
        clip_grads_with_norm_(parameters, threshold, total)
    return Report(norm, threshold, clipped)
