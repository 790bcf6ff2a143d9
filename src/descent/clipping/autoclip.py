"""AutoClip: the threshold is a percentile of the norms so far.

Belongs to :doc:`/autoclip`.
"""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from descent import checks
from descent.clipping import gradients as grads
from descent.clipping import states
from descent.clipping.capture import (
    Counts,
    DeviceHistory,
    measure_on_device,
    scale_on_device,
)
from descent.clipping.clippers import ALONE, ATTACHED, NormClipper, ScaleIf
from descent.clipping.gradients import Gradients, Parameters
from descent.clipping.percentiles import GrowingPercentile, WindowPercentile
from descent.clipping.reports import SKIPPED_IN_A_ROW, DeviceReport, warn_of_skips

__all__ = ["AutoClip"]

_BEGIN = (
    "a capturable clipper must have its memory before a step is compiled or captured: "
    "call clip.prepare(device) first, or take one step outside"
)


def _distinct(parameters: Any) -> list[Tensor]:
    """Return every parameter once; a compiler follows this."""
    every: list[Tensor] = []
    for parameter in parameters:
        if not any(parameter is other for other in every):
            every.append(parameter)
    return every


class AutoClip(NormClipper):
    """Clip by a percentile of all gradient norms seen so far.

    Algorithm 1 of Seetharaman, Wichern, Pardo and Le Roux (2020): append the
    current norm to the history, take the `percentile` of the history, clip to it.
    With the default settings the history is never cut, and the current norm is part
    of it: the first step is never clipped.

    The threshold equals ``numpy.percentile(history, percentile)`` bit for bit, at a
    cost that hardly grows with the history.

    Two kinds of norms never enter the history. One that is not finite is dealt with
    as `nonfinite` says. One of 0 (or below the smallest normal number of the
    gradients' precision: what is left of a gradient that vanished) needs no clipping,
    as when all parameters are frozen, a hinge loss is met or a batch is masked; as a
    threshold it would set every gradient after it to zero. Its report has a threshold
    of infinity.

    It may be called from several threads. Copies and pickles go on with the history,
    but are attached to no optimizer.

    Parameters
    ----------
    percentile : float
        From 0 (clip to the smallest norm so far) to 100 (never clip). The
        paper recommends 10.
    window : int, optional
        Take the percentile of this many recent norms only. Without it, of all.
    warmup : int
        For this many first norms, fill the history but clip nothing (unless there
        is a ceiling).
    ceiling : float, optional
        A threshold that is never exceeded, not even at the first step.
    nonfinite : {"skip", "raise", "ignore"}
        What to do about a norm that is not finite. It never enters the history.
        ``"skip"`` sets the gradients to zero, so that it does not reach the weights
        either, and reports it: an optimizer with momentum still moves on, unless
        you leave out its step. ``"raise"`` raises an error. ``"ignore"`` leaves the
        gradients alone, for a loop that has a guard of its own.
    capturable : bool
        Keep norm, percentile, decision and scaling on the device, as PyTorch's
        optimizers do under this name: nothing waits for the host until a report is
        read (a step returns a :class:`DeviceReport`) or :attr:`history` and the like.
        A step can then be compiled with ``fullgraph=True``, given a list of
        parameters, and captured as a CUDA graph, after :meth:`prepare`. Thresholds and
        states are those of ``capturable=False``. A step reads and writes the whole
        memory for the sorted norms; a gradient more than 7e44 times too long is
        cut down by that factor only.
    capacity : int
        How many norms a capturable clipper has memory for, 16 bytes each (with a
        window, 8 each and 8 for each of the window). Outside of what is compiled or
        captured it doubles when full; inside it cannot, and reading anything raises
        an error then.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Warns
    -----
    UserWarning
        If the percentile lies between 0 and 1, as a quantile would.

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
        capturable: bool = False,
        capacity: int = 2**16,
    ) -> None:
        self.capturable = bool(capturable)
        super().__init__(nonfinite)
        self.capacity = checks.integer("capacity", capacity, at_least=1)
        self._set(percentile, window, warmup, ceiling)
        if 0 < self.percentile < 1:
            warnings.warn(
                f"percentile={self.percentile:g} means {self.percentile:g} percent: "
                "nearly the smallest norm of all. For the "
                f"{100 * self.percentile:g}th percentile write "
                f"{100 * self.percentile:g}",
                UserWarning,
                stacklevel=2,
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in states.SETTINGS and name in self.__dict__:
            raise AttributeError(
                f"{name} must not be assigned to, as the history is kept in the order "
                f"that it asks for. To go on with another: clip.load_state_dict("
                f"clip.state_dict() | {{{name!r}: {value!r}}})"
            )
        if name == "capturable" and name in self.__dict__:
            raise AttributeError(
                "capturable must not be assigned to, as the history lies elsewhere "
                "then: make a new clipper, and load this one's state into it"
            )
        if name == "nonfinite":
            self._refuse_to_raise(value)
        super().__setattr__(name, value)

    def _set(
        self,
        percentile: float,
        window: int | None,
        warmup: int,
        ceiling: float | None,
    ) -> None:
        """Check the settings, and begin with an empty history."""
        self.percentile = checks.real("percentile", percentile, at_least=0, at_most=100)
        self.window = (
            None if window is None else checks.integer("window", window, at_least=1)
        )
        self.warmup = checks.integer("warmup", warmup, at_least=0)
        self.ceiling = (
            None if ceiling is None else checks.real("ceiling", ceiling, above=0)
        )
        self._zeros = 0
        self._device: DeviceHistory | None = None
        self._replay: AutoClip | None = None
        self._remember(np.empty(0))

    def _refuse_to_raise(self, nonfinite: str) -> None:
        if self.capturable and nonfinite == "raise":
            raise ValueError(
                "nonfinite must not be 'raise' with capturable=True: the host does not "
                "wait for the norm"
            )

    def _remember(self, norms: np.ndarray) -> None:
        """Go on from a history."""
        self._norms = array("d", norms.tobytes())
        self._thresholds = array("d")
        self._order = self._ordered(norms)

    def _ordered(self, norms: np.ndarray) -> GrowingPercentile | WindowPercentile:
        if self.window is None:
            return GrowingPercentile(self.percentile, norms)
        return WindowPercentile(self.percentile, norms[-self.window :])

    @property
    def history(self) -> np.ndarray:
        """Every norm that counts, in the order it came, shape (steps,)."""
        with self._lock:
            self._pull()
            return np.array(self._norms, dtype=np.float64)

    @property
    def thresholds(self) -> np.ndarray:
        """The threshold of every step in :attr:`history`, shape (steps,).

        A state holds the norms only. After :meth:`load_state_dict` the first look at
        the thresholds works those of the past out again, a few microseconds each: by
        the settings that hold now, if others were loaded.
        """
        with self._lock:
            self._pull()
            if self._device is not None:
                return np.array(self._replayed(len(self._norms)), dtype=np.float64)
            missing = len(self._norms) - len(self._thresholds)
            if missing:
                self._thresholds = self._replayed(missing) + self._thresholds
                self._replay = None
            return np.array(self._thresholds, dtype=np.float64)

    def _replayed(self, steps: int) -> array[float]:
        """Return the thresholds of so many steps; of those worked out before, again."""
        if self._replay is None:
            self._replay = object.__new__(AutoClip)
            self._replay._set(self.percentile, self.window, self.warmup, self.ceiling)
        for norm in self._norms[len(self._replay._norms) : steps]:
            self._replay._record(norm, 0.0)
        return self._replay._thresholds

    @property
    def clipped_share(self) -> float:
        """The share of the steps in :attr:`history` whose norm is above the threshold.

        The thresholds are those of :attr:`thresholds`; 0 before any step.
        """
        with self._lock:
            self._pull()
            if not self._norms:
                return 0.0
            return float(np.mean(self.history > self.thresholds))

    @property
    def zero_steps(self) -> int:
        """How many steps had a norm of 0, or as good as 0."""
        with self._lock:
            self._pull()
            return self._zeros

    @property
    def skipped_steps(self) -> int:
        """How many steps had a norm that was not finite."""
        with self._lock:
            self._pull()
            return self._skipped

    def __call__(
        self, parameters: Parameters, *, scaler: GradScaler | None = None
    ) -> Any:
        """Clip the gradients of `parameters` in place, as :meth:`ClipNorm.__call__`."""
        if torch.compiler.is_compiling() and self.capturable:
            if self._attachment is not None:
                raise RuntimeError(ATTACHED)
            every = _distinct(parameters)
            grads.refuse_no_parameters(
                every,
                trained=any(
                    one.requires_grad
                    or one.grad is not None
                    or isinstance(one, torch.nn.Parameter)
                    for one in every
                ),
            )
            # A compiler cannot look at memory, nor for scalers.
            return self._clip_on_device(
                [one.grad for one in every if one.grad is not None], every, None
            )
        return super().__call__(parameters, scaler=scaler)

    def _clip(self, gradients: Gradients, scale_if: ScaleIf) -> Any:
        if not self.capturable:
            return super()._clip(gradients, scale_if)
        if gradients.shares:
            raise ValueError(
                "parameters must not be DTensors with capturable=True: putting their "
                "norms together over processes needs the host"
            )
        # The host never knows whether the norm is finite.
        scale = scale_if(True)
        if torch.compiler.is_compiling():
            return self._clip_on_device(gradients.tensors, gradients.parameters, scale)
        with self._lock:
            return self._clip_on_device(gradients.tensors, gradients.parameters, scale)

    def _clip_on_device(
        self, gradients: list[Tensor], parameters: list[Tensor], scale: Tensor | None
    ) -> DeviceReport:
        """Clip without waiting for the device."""
        history = self._on_device((gradients or parameters)[0].device)
        device = history.norms.device
        with torch.no_grad():
            if gradients:
                norm = measure_on_device(gradients).to(device)
            else:
                norm = torch.zeros((), dtype=torch.float64, device=device)
            if scale is not None:
                norm = norm / scale.to(device).double()
            wide = any(gradient.dtype in grads.WIDE for gradient in gradients)
            smallest = torch.finfo(torch.float64 if wide else torch.float32).tiny
            settings = (self.percentile, self.warmup, self.ceiling)
            threshold = history.record(norm, smallest, *settings)
            bad = ~norm.isfinite()
            skips = self.nonfinite == "skip"
            if gradients:
                zero = skips and scale is None
                scale_on_device(gradients, norm, threshold, zero=zero)
            skipped = bad if skips else torch.zeros_like(bad)
            return DeviceReport(norm, threshold, norm > threshold, skipped)

    def _on_device(self, device: torch.device) -> DeviceHistory:
        """Return the history on a device, with room for one more norm."""
        history = self._device
        if torch.compiler.is_compiling():
            if history is None:
                raise RuntimeError(_BEGIN)
            return history
        capturing = device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        if history is None:
            if capturing:
                raise RuntimeError(_BEGIN)
            self.prepare(device)
            history = self._device
            assert history is not None
        if not capturing:
            if history.most >= history.capacity:
                history.grow()
            history.most += 1
        return history

    def prepare(self, device: torch.device | str) -> None:
        """Put the history on a device, before the first step there.

        An eager step does it by itself. Before a step is compiled or captured it must
        have been done, because the memory must be there.

        Parameters
        ----------
        device : torch.device or str
            Where the gradients are.

        Raises
        ------
        RuntimeError
            If the clipper is not capturable.
        """
        if not self.capturable:
            raise RuntimeError("prepare needs a clipper with capturable=True")
        with self._lock:
            self._pull()
            norms = np.array(self._norms)
            counts = Counts(len(norms), self._skipped, self._zeros)
            capacity = self.capacity
            while capacity <= len(norms):
                capacity *= 2
            self._device = DeviceHistory(
                norms, counts, self.window, capacity, torch.device(device)
            )

    def _pull(self) -> None:
        """Read what the device knows."""
        if self._device is None:
            return
        norms, counts = self._device.read()
        if counts.lost:
            raise RuntimeError(
                f"the history had room for {self._device.capacity} norms, and "
                f"{counts.lost} more came in a step that is compiled or captured, "
                "where it cannot grow: the thresholds since are those of the norms "
                "before. Give AutoClip a larger capacity"
            )
        if len(norms) != len(self._norms):
            self._norms, self._thresholds = array("d", norms.tobytes()), array("d")
        self._skipped, self._zeros = counts.skipped, counts.zeros
        before, self._skipped_in_a_row = self._skipped_in_a_row, counts.in_a_row
        if counts.in_a_row >= SKIPPED_IN_A_ROW > before:
            warn_of_skips(counts.in_a_row)

    def _record(self, norm: float, smallest: float) -> float:
        if norm < smallest or norm == 0:
            self._zeros += 1
            return math.inf
        self._norms.append(norm)
        steps = len(self._norms)
        order = self._order
        if isinstance(order, GrowingPercentile):
            threshold = order.add(norm)
        else:
            assert self.window is not None
            leaving = steps - 1 - self.window
            oldest = self._norms[leaving] if leaving >= 0 else None
            threshold = order.add(norm, oldest)
        if steps <= self.warmup:
            threshold = math.inf
        if self.ceiling is not None and threshold > self.ceiling:
            threshold = self.ceiling
        self._thresholds.append(threshold)
        return threshold

    def _take_back(self, norm: float) -> None:
        # Another thread may have added one since; these are then the wrong threshold
        # and norm to take, but not of the wrong value.
        index = len(self._norms) - 1 - self._norms[::-1].index(norm)
        norms = np.delete(self.history, index)
        thresholds = np.delete(self.thresholds, index)
        self._remember(norms)
        self._thresholds = array("d", thresholds.tobytes())

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed training needs, as tensors and plain values.

        Returns
        -------
        dict
            The version of the state's shape, the settings, and ``norms``, a float64
            tensor of shape (steps,): eight bytes a step. It loads under
            ``torch.load(..., weights_only=True)``.
        """
        with self._lock:
            self._pull()
            return states.write(
                states.SavedState(
                    settings={name: getattr(self, name) for name in states.SETTINGS},
                    nonfinite=self.nonfinite,
                    skipped=self._skipped,
                    zeros=self._zeros,
                    norms=self.history,
                )
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over settings and history, so that training goes on bit for bit.

        States of older versions are read, too. Before there were versions, norms of 0
        entered the history; they are taken out of it.

        Parameters
        ----------
        state : mapping
            What :meth:`state_dict` returned.

        Raises
        ------
        TypeError, ValueError
            If the state is not of that shape, or of a version that this code does not
            know. This object is unchanged then.
        """
        saved = states.read(state)
        # Another object checks everything before anything changes here.
        new = object.__new__(AutoClip)
        new.capturable = self.capturable
        NormClipper.__init__(new, saved.nonfinite)
        new._set(**saved.settings)
        new._skipped, new._zeros = saved.skipped, saved.zeros
        new._remember(saved.norms)
        with self._lock:
            device = self._device
            self.__dict__.update(
                {k: v for k, v in new.__dict__.items() if k not in ALONE}
            )
            self._skipped_in_a_row = 0
            if (
                device is not None
                and device.window == self.window
                and device.capacity >= len(saved.norms)
            ):
                # In the same memory, which a captured step goes on to use.
                counts = Counts(len(saved.norms), self._skipped, self._zeros)
                device.fill(saved.norms, counts)
                self._device = device

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            self._pull()
            state = super().__getstate__()
            del state["_order"], state["_device"], state["_replay"]
            # A copy adds to arrays of its own.
            return state | {
                "_norms": self._norms[:],
                "_thresholds": self._thresholds[:],
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._device = self._replay = None
        self._order = self._ordered(np.array(self._norms))
