"""The global gradient norm, clipping by it, and AutoClip.

Both clippers are called the same way, between ``backward()`` and ``step()``::

    clip = AutoClip(percentile=10)
    ...
    loss.backward()
    report = clip(model.parameters())
    optimizer.step()
    optimizer.zero_grad()

They measure the global norm once, rescale the gradients in place if it is above
the threshold, and report what they did. They know nothing of the optimizer, so
any will do, with any number of parameter groups; parameters without a gradient are
passed over.

With mixed precision the gradients are unscaled first, so that the norm is the
norm of the gradient and not of the scale::

    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    clip(model.parameters())
    scaler.step(optimizer)
    scaler.update()

Belongs to :doc:`/clipping` and :doc:`/autoclip`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from sortedcontainers import SortedList
from torch import Tensor
from torch.nn.utils import get_total_norm

from descent import checks

__all__ = ["AutoClip", "ClipNorm", "Clipper", "Report", "global_norm"]

# Below this a float32 norm may have lost elements whose squares are smaller than
# the smallest float32; it is then measured again in float64, as one that overflowed.
_TINY = 1e-16

# The same for float64, and what its numbers are multiplied with if they are too small
# for their squares, divided by if they are too large: a power of 2, so that nothing is
# rounded.
_TINIEST, _SHIFT = 1e-140, 2.0**600

_HALF = (torch.float16, torch.bfloat16)

_POLICIES = ("skip", "raise", "ignore")


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
        Whether the gradients were set to zero because their norm was not finite.
    """

    grad_norm: float
    threshold: float
    clipped: bool
    skipped: bool = False


Clipper = Callable[[Iterable[Tensor]], Report]


def global_norm(parameters: Tensor | Iterable[Tensor]) -> float:
    """Return the length of the gradient, all parameters taken as one vector.

    ``sqrt(sum of |g|**2 over every element of every gradient)``. Parameters
    without a gradient count as zero. The result is right also where the sum of
    squares is too large or too small for the gradients' own precision.

    Parameters
    ----------
    parameters : torch.Tensor or iterable of torch.Tensor
        The parameters, after ``backward()``.

    Returns
    -------
    float
        The norm; not a finite number if any element is not.
    """
    return _norm(_gradients(parameters))


class _NormClipper(ABC):
    """What both clippers share: measure once, guard, clip once, report."""

    def __init__(self, nonfinite: str) -> None:
        self.nonfinite = checks.one_of("nonfinite", nonfinite, _POLICIES)

    @abstractmethod
    def _threshold(self, norm: float) -> float:
        """Take note of a finite norm and return the largest one allowed."""

    def __call__(self, parameters: Tensor | Iterable[Tensor]) -> Report:
        """Clip the gradients of `parameters` in place.

        Parameters
        ----------
        parameters : torch.Tensor or iterable of torch.Tensor
            The parameters, after ``backward()``. The norm is taken over all of
            them together, on whatever devices they are; reading it is the one time
            that the program waits for a device.

        Returns
        -------
        Report
            The norm before, the threshold, whether it clipped or skipped.

        Raises
        ------
        FloatingPointError
            If the norm is not finite and the policy is ``"raise"``. Nothing is
            changed then.
        """
        gradients = _gradients(parameters)
        norm = _norm(gradients)
        if not math.isfinite(norm):
            return self._refuse(gradients, norm)
        threshold = self._threshold(norm)
        clipped = norm > threshold
        if clipped:
            # Not torch.nn.utils.clip_grads_with_norm_: it divides by the norm plus
            # 1e-6, which changes what happens when the loss is scaled down.
            _scale(gradients, threshold / norm)
        return Report(norm, threshold, clipped)

    def _refuse(self, gradients: list[Tensor], norm: float) -> Report:
        """Deal with a norm that is not finite, as the policy says."""
        if self.nonfinite == "raise":
            raise FloatingPointError(
                f"the gradient norm must be a finite number, got {norm}"
            )
        skipped = self.nonfinite == "skip"
        if skipped:
            # Setting, not multiplying: zero times infinity is not a number.
            for gradient in gradients:
                gradient.zero_()
        return Report(norm, math.inf, clipped=False, skipped=skipped)


class ClipNorm(_NormClipper):
    """Clip by a fixed threshold.

    A gradient longer than the threshold is rescaled to that length; a shorter
    one is untouched. The direction never changes (Mikolov 2012; Pascanu, Mikolov
    and Bengio 2013).

    Parameters
    ----------
    threshold : float
        The largest norm allowed, above 0.
    nonfinite : {"skip", "raise", "ignore"}
        What to do about a norm that is not finite, as for :class:`AutoClip`.

    Raises
    ------
    TypeError, ValueError
        If `threshold` is not a number above 0, or `nonfinite` not one of the words.
    """

    def __init__(self, threshold: float, *, nonfinite: str = "skip") -> None:
        super().__init__(nonfinite)
        self.threshold = checks.real("threshold", threshold, above=0)

    def _threshold(self, norm: float) -> float:
        return self.threshold


class AutoClip(_NormClipper):
    """Clip by a percentile of all gradient norms seen so far.

    Algorithm 1 of Seetharaman, Wichern, Pardo and Le Roux (2020): append the
    current norm to the history, take the `percentile` of the history, clip to it.
    With the default settings the history is never cut, and the current norm is part
    of it: the first step is never clipped.

    The threshold equals ``numpy.percentile(history, percentile)`` bit for bit, at a
    cost that hardly grows with the history: the norms are kept sorted, and a
    step inserts one and reads two.

    Parameters
    ----------
    percentile : float
        From 0 (clip to the smallest norm so far) to 100 (never clip). The
        paper recommends 10.
    window : int, optional
        Take the percentile of this many recent norms only. Without it, of all.
    warmup : int
        For this many first steps, fill the history but clip nothing (unless there
        is a ceiling).
    ceiling : float, optional
        A threshold that is never exceeded, not even at the first step.
    nonfinite : {"skip", "raise", "ignore"}
        What to do about a norm that is not finite. It never enters the history.
        ``"skip"`` sets the gradients to zero, so that it does not reach the weights
        either, and reports it: an optimizer with momentum still moves on, unless
        you leave out its step. ``"raise"`` raises an error. ``"ignore"`` leaves the
        gradients alone, for a loop that has a guard of its own.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> weight = torch.zeros(1, requires_grad=True)
    >>> clip = AutoClip(percentile=50)
    >>> for norm in (1.0, 3.0, 2.0):
    ...     weight.grad = torch.tensor([norm])
    ...     print(clip([weight]))
    Report(grad_norm=1.0, threshold=1.0, clipped=False, skipped=False)
    Report(grad_norm=3.0, threshold=2.0, clipped=True, skipped=False)
    Report(grad_norm=2.0, threshold=2.0, clipped=False, skipped=False)
    >>> clip.clipped_share
    0.3333333333333333
    """

    def __init__(
        self,
        percentile: float = 10,
        *,
        window: int | None = None,
        warmup: int = 0,
        ceiling: float | None = None,
        nonfinite: str = "skip",
    ) -> None:
        super().__init__(nonfinite)
        self.percentile = checks.real("percentile", percentile, at_least=0, at_most=100)
        self.window = (
            None if window is None else checks.integer("window", window, at_least=1)
        )
        self.warmup = checks.integer("warmup", warmup, at_least=0)
        self.ceiling = (
            None if ceiling is None else checks.real("ceiling", ceiling, above=0)
        )
        self._norms = array("d")
        self._thresholds = array("d")
        self._sorted = SortedList()
        self._skipped = 0

    @property
    def history(self) -> np.ndarray:
        """Every finite norm so far, in the order it came, shape (steps,)."""
        return np.array(self._norms, dtype=np.float64)

    @property
    def thresholds(self) -> np.ndarray:
        """The threshold of every step in :attr:`history`, shape (steps,).

        A state holds the norms only. After :meth:`load_state_dict` the first look at
        the thresholds works those of the past out again, a few microseconds each.
        """
        missing = len(self._norms) - len(self._thresholds)
        if missing:
            replay = AutoClip(
                self.percentile,
                window=self.window,
                warmup=self.warmup,
                ceiling=self.ceiling,
            )
            past = array("d", map(replay._threshold, self._norms[:missing]))
            self._thresholds = past + self._thresholds
        return np.array(self._thresholds, dtype=np.float64)

    @property
    def clipped_share(self) -> float:
        """The share of the steps in :attr:`history` that were clipped; 0 before any."""
        if not self._norms:
            return 0.0
        return float(np.mean(self.history > self.thresholds))

    @property
    def skipped_steps(self) -> int:
        """How many steps had a norm that was not finite."""
        return self._skipped

    def _refuse(self, gradients: list[Tensor], norm: float) -> Report:
        report = super()._refuse(gradients, norm)
        self._skipped += 1
        return report

    def _threshold(self, norm: float) -> float:
        self._norms.append(norm)
        self._sorted.add(norm)
        steps = len(self._norms)
        if self.window is not None and steps > self.window:
            self._sorted.remove(self._norms[steps - 1 - self.window])
        threshold = math.inf if steps <= self.warmup else self._percentile()
        if self.ceiling is not None:
            threshold = min(threshold, self.ceiling)
        self._thresholds.append(threshold)
        return threshold

    def _percentile(self) -> float:
        """Return the percentile of the sorted norms.

        Linear interpolation between the two neighbors of the rank
        ``p / 100 * (n - 1)``, in the order of operations that NumPy uses: from
        the upper neighbor down where that one is nearer.
        """
        norms = self._sorted
        rank = (self.percentile / 100) * (len(norms) - 1)
        below = int(rank)
        low: float = norms[below]
        if below + 1 == len(norms):
            return low
        high: float = norms[below + 1]
        weight = rank - below
        gap = high - low
        return high - gap * (1 - weight) if weight >= 0.5 else low + gap * weight

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs, as tensors and plain values.

        Returns
        -------
        dict
            The settings, and ``norms``, a float64 tensor of shape (steps,): eight
            bytes a step. It loads under ``torch.load(..., weights_only=True)``.
        """
        return {
            "percentile": self.percentile,
            "window": self.window,
            "warmup": self.warmup,
            "ceiling": self.ceiling,
            "nonfinite": self.nonfinite,
            "skipped_steps": self._skipped,
            "norms": torch.from_numpy(self.history),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over settings and history, so that training goes on bit for bit.

        Parameters
        ----------
        state : mapping
            What :meth:`state_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If the state is not of that shape. This object is unchanged then.
        """
        wanted = self.state_dict().keys()
        if not isinstance(state, Mapping) or state.keys() != wanted:
            found = sorted(state) if isinstance(state, Mapping) else type(state)
            raise ValueError(f"state must have the keys {sorted(wanted)}, got {found}")
        norms = state["norms"]
        if (
            not isinstance(norms, Tensor)
            or norms.dtype != torch.float64
            or norms.ndim != 1
            or not bool((torch.isfinite(norms) & (norms >= 0)).all())
        ):
            got = (
                f"{tuple(norms.shape)} of {norms.dtype}"
                if isinstance(norms, Tensor)
                else type(norms).__name__
            )
            raise ValueError(
                "state['norms'] must be a one-dimensional float64 tensor of finite "
                f"numbers of at least 0, got {got}"
            )
        settings = {
            name: state[name]
            for name in ("percentile", "window", "warmup", "ceiling", "nonfinite")
        }
        new = AutoClip(**settings)  # checks every setting before anything changes
        new._skipped = checks.integer(
            "state['skipped_steps']", state["skipped_steps"], at_least=0
        )
        values = norms.cpu().numpy()
        new._norms = array("d", values.tobytes())
        recent = values if new.window is None else values[-new.window :]
        new._sorted = SortedList(np.sort(recent).tolist())
        self.__dict__ = new.__dict__


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients there are, sparse ones as the values they are made of."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    found = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse:
            # Uncoalesced, the same row may stand there twice, to be added up.
            gradient = parameter.grad = gradient.coalesce()
            gradient = gradient.values()
        found.append(gradient.detach())
    return found


def _norm(gradients: list[Tensor]) -> float:
    """Return the norm of the gradients taken as one vector."""
    if not gradients:
        return 0.0
    if any(gradient.dtype in _HALF for gradient in gradients):
        gradients = [g.float() if g.dtype in _HALF else g for g in gradients]
    norm = _whole(get_total_norm(gradients))
    if _TINY < norm < math.inf:
        return norm
    # Too small or too large for the sum of squares, or really not finite.
    wide = [
        gradient.to(torch.complex128 if gradient.is_complex() else torch.float64)
        for gradient in gradients
    ]
    norm = _whole(get_total_norm(wide))
    if _TINIEST < norm < math.inf or math.isnan(norm):
        return norm
    scale = 1 / _SHIFT if norm > 1 else _SHIFT
    return _whole(get_total_norm([gradient * scale for gradient in wide])) / scale


def _whole(norm: Tensor) -> float:
    """Return a norm as a number, put together first if it is spread over ranks."""
    if hasattr(norm, "full_tensor"):  # a DTensor, as FSDP2 has them
        norm = norm.full_tensor()
    return float(norm)


def _scale(gradients: list[Tensor], factor: float) -> None:
    """Multiply all gradients in place."""
    others = []
    for gradient in gradients:
        if gradient.dtype in _HALF:
            # One by one: for many at once, the factor is rounded to their precision,
            # in which a small one is zero.
            gradient.mul_(factor)
        else:
            others.append(gradient)
    if others:
        torch._foreach_mul_(others, factor)
