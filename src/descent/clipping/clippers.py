"""What all clippers do, and a fixed threshold.

Belongs to :doc:`/clipping`.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Set
from typing import Any

from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from descent import checks
from descent.clipping import gradients as grads
from descent.clipping.attachment import Attachment
from descent.clipping.gradients import Gradients, Parameters
from descent.clipping.reports import SKIPPED_IN_A_ROW, Report, warn_of_skips
from descent.clipping.scalers import ScalerWatch

__all__ = ["ALONE", "ClipNorm", "Clipper", "NormClipper", "ScaleIf"]

_POLICIES = ("skip", "raise", "ignore")

# What belongs to one object alone, and to no copy of it.
ALONE = frozenset(
    {"_lock", "_watch", "_attachment", "_calls", "_known", "_skipped_in_a_row"}
)

# Given whether the norm is finite: what the gradients are still multiplied with, if so.
ScaleIf = Callable[[bool], Tensor | None]

ATTACHED = (
    "this clipper is attached to an optimizer and clips at every step of it: do not "
    "call it, too, or remove the attachment first"
)

Clipper = Callable[[Iterable[Tensor]], Report]


class NormClipper(ABC):
    """What both clippers share: measure once, guard, clip once, report."""

    def __init__(self, nonfinite: str) -> None:
        self.nonfinite = nonfinite
        self._skipped = 0
        self._live()

    def _live(self) -> None:
        """Set up what belongs to this object alone, and to no copy of it."""
        self._lock = threading.RLock()
        self._watch = ScalerWatch()
        self._attachment: Attachment | None = None
        self._skipped_in_a_row = 0
        self._calls = 0
        self._known: Set[int] = frozenset()

    @property
    def nonfinite(self) -> str:
        """What is done about a norm that is not finite."""
        return self._nonfinite

    @nonfinite.setter
    def nonfinite(self, policy: str) -> None:
        self._nonfinite = checks.one_of("nonfinite", policy, _POLICIES)

    @property
    def skipped_steps(self) -> int:
        """How many steps had a norm that was not finite."""
        return self._skipped

    @abstractmethod
    def _record(self, norm: float, smallest: float) -> float:
        """Take note of a finite norm and return the largest one allowed."""

    @abstractmethod
    def _take_back(self, norm: float) -> None:
        """Undo :meth:`_record`, because the gradients could not be scaled."""

    def __call__(
        self, parameters: Parameters, *, scaler: GradScaler | None = None
    ) -> Report:
        """Clip the gradients of `parameters` in place.

        Parameters
        ----------
        parameters : torch.Tensor, torch.nn.Module, torch.optim.Optimizer or iterable
            The parameters, after ``backward()``: a tensor, a module, an optimizer, or
            an iterable of tensors, of pairs of name and tensor, or of parameter
            groups. One that comes twice counts once. The norm is taken over all of
            them together, on whatever devices and ranks they are. Where it is read,
            the program waits for the device; it reads again for the scale of a
            `scaler`, and for a norm so small that it is measured once more.
        scaler : torch.amp.GradScaler, optional
            The scaler of the loss. Where it has not unscaled these gradients yet, the
            norm is divided by its scale, and gradients that overflowed are left for
            it to see. Without it the gradients must be unscaled.

        Returns
        -------
        Report
            The norm before, the threshold, whether it clipped or skipped.

        Raises
        ------
        TypeError, ValueError
            If `parameters` hold no parameters, or a gradient that cannot be measured
            and scaled; if `scaler` is not of that kind or not at that point. Nothing is
            changed or recorded then, as in all errors. (Whether gradients share memory
            is looked at in steps 1, 2, 4, 8 and so on, and when parameters change.)
        FloatingPointError
            If the norm is not finite and the policy is ``"raise"``.
        RuntimeError
            If a gradient scaler is at work that has not unscaled the gradients, and
            `scaler` was not passed; if the clipper is attached to an optimizer.

        Warns
        -----
        SkippedStepsWarning
            Once, when the 25th norm in a row is not finite.
        """
        if self._attachment is not None and self._attachment.alive:
            raise RuntimeError(ATTACHED)
        gradients = self._gather(parameters)

        def scale(finite: bool) -> Tensor | None:
            if scaler is None:
                self._watch.check(gradients.parameters, finite)
                return None
            optimizer = parameters if isinstance(parameters, Optimizer) else None
            return self._watch.scale_of(scaler, gradients.parameters, optimizer)

        return self._clip(gradients, scale)

    def _gather(self, parameters: Parameters) -> Gradients:
        """Return the gradients; at first and then ever more rarely, check all."""
        self._calls += 1
        due = self._calls & (self._calls - 1) == 0
        gradients = grads.gather(parameters, frozenset() if due else self._known)
        self._known = gradients.identities
        return gradients

    def _clip(self, gradients: Gradients, scale_if: ScaleIf) -> Report:
        """Measure and clip gradients that may still be multiplied with a scale."""
        norm = grads.measure(gradients)
        scale = scale_if(math.isfinite(norm))
        if scale is not None:
            divisor = float(scale)
            norm = norm / divisor if divisor else math.nan  # 0 if halved for ever
        if not math.isfinite(norm):
            return self._refuse(gradients, norm, scaled=scale is not None)
        smallest = gradients.smallest
        with self._lock:
            self._skipped_in_a_row = 0
            threshold = self._record(norm, smallest)
        clipped = norm > threshold
        if clipped:
            # Not torch.nn.utils.clip_grads_with_norm_: it divides by the norm plus
            # 1e-6, which changes what happens when the loss is scaled down.
            try:
                grads.scale(gradients.tensors, norm, threshold, gradients.alike)
            except BaseException:
                with self._lock:
                    self._take_back(norm)
                raise
        return Report(norm, threshold, clipped)

    def _refuse(self, gradients: Gradients, norm: float, scaled: bool) -> Report:
        """Deal with a norm that is not finite, as the policy says."""
        if self.nonfinite == "raise":
            raise FloatingPointError(
                f"the gradient norm must be a finite number, got {norm}"
            )
        skipped = self.nonfinite == "skip"
        if skipped and not scaled:
            # Setting, not multiplying: zero times infinity is not a number.
            for gradient in gradients.tensors:
                gradient.zero_()
        with self._lock:
            self._skipped += 1
            self._skipped_in_a_row += 1
            many = self._skipped_in_a_row == SKIPPED_IN_A_ROW
        if many:
            warn_of_skips(SKIPPED_IN_A_ROW)
        return Report(norm, math.inf, clipped=False, skipped=skipped)

    def attach(self, optimizer: Optimizer) -> Attachment:
        """Clip at every step of an optimizer, until the attachment is removed.

        The norm is taken over the parameters that the optimizer has when it steps. A
        gradient scaler needs nothing more: it unscales before the optimizer steps, or
        tells an optimizer that unscales by itself (``fused=True``) the scale, which is
        read. A step that the scaler leaves out does not reach the clipper, unless the
        optimizer unscales by itself: then it is reported, and counted, as skipped. If
        the optimizer is given a closure, the gradients are clipped when it returns.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            The optimizer. A wrapper that has it as its `optimizer`, as Lightning's and
            Accelerate's do, stands for it. Copies and pickles of it have no clipper.

        Returns
        -------
        Attachment
            To remove it with, and to read the last report from.

        Raises
        ------
        TypeError
            If `optimizer` is no optimizer, one that calls no hooks, or one that asks
            for several gradients in a step (L-BFGS): their norms are not those of
            steps.
        ValueError
            If either of the two is attached already: an optimizer is clipped once,
            and a history belongs to one optimizer. If a wrapper moves parameters that
            the optimizer inside does not.

        Examples
        --------
        >>> weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> optimizer = torch.optim.SGD([weight], lr=1.0)
        >>> with ClipNorm(1.0).attach(optimizer) as attachment:
        ...     weight.pow(2).sum().div(2).backward()
        ...     optimizer.step()
        >>> attachment.report.grad_norm
        5.0
        >>> weight.tolist()
        [2.4000000953674316, 3.200000047683716]
        """
        return Attachment(self, optimizer)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds: no lock, no attachment."""
        with self._lock:
            return {k: v for k, v in self.__dict__.items() if k not in ALONE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live()


class ClipNorm(NormClipper):
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
        self.threshold = threshold

    @property
    def threshold(self) -> float:
        """The largest norm allowed; it may be assigned to between steps."""
        return self._threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        self._threshold = checks.real("threshold", threshold, above=0)

    def _record(self, norm: float, smallest: float) -> float:
        return self.threshold

    def _take_back(self, norm: float) -> None:
        pass  # nothing was noted
