"""A clipper at work in an optimizer: one line for any loop.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any

from torch.optim import LBFGS, Optimizer

from descent.clipping.scalers import nest

__all__ = ["Attachment"]

# Who clips for which optimizer.
_attached: weakref.WeakKeyDictionary[Optimizer, Attachment] = (
    weakref.WeakKeyDictionary()
)


# The file in which PyTorch wraps the steps of optimizers.
_WRAPPERS = Optimizer.__init__.__code__.co_filename


class Attachment:
    """A clipper at work in an optimizer, as :meth:`AutoClip.attach` returns it.

    In a ``with`` statement it is removed at the end.

    Attributes
    ----------
    report : Report, DeviceReport or None
        What the clipper did at the last step.
    """

    def __init__(self, clipper: Any, optimizer: Optimizer) -> None:
        nested = nest(optimizer)
        inner = nested[-1]  # a wrapper's own hooks might never be called
        if not isinstance(inner, Optimizer):
            raise TypeError(
                "optimizer must be a torch.optim.Optimizer, got "
                f"{type(optimizer).__name__}"
            )
        if not hasattr(inner, "_optimizer_step_pre_hooks"):
            raise TypeError(
                "optimizer must be one that calls hooks before its steps, got "
                f"{type(inner).__name__}: attach to the optimizer that it wraps"
            )
        if any(_moves_more(outer, inner) for outer in nested[:-1]):
            raise ValueError(
                "optimizer must move no other parameters than the one inside it, got "
                f"{type(optimizer).__name__} around {type(inner).__name__}: clip the "
                "parameters of both, before each step"
            )
        if isinstance(inner, LBFGS):
            raise TypeError(
                "optimizer must take one gradient a step, got LBFGS, which asks for "
                "several: clip inside its closure if you must"
            )
        if clipper._attachment is not None and clipper._attachment.alive:
            raise ValueError(
                "a clipper can be attached to one optimizer, got a second: make one "
                "clipper for each, they need histories of their own"
            )
        if inner in _attached:
            raise ValueError(
                "optimizer must not have a clipper attached already: its gradients "
                "would be clipped twice. remove() what attach returned, or make the "
                "optimizer anew"
            )
        self.report: Any = None
        self._clipper = clipper
        self._optimizer = weakref.ref(inner)
        self._handle = inner.register_step_pre_hook(self._before_step)
        clipper._attachment = _attached[inner] = self

    @property
    def alive(self) -> bool:
        """Whether there still is an optimizer."""
        return self._optimizer() is not None

    def remove(self) -> None:
        """Clip no longer. The clipper keeps its history; a second time does nothing."""
        self._handle.remove()
        optimizer = self._optimizer()
        if optimizer is not None and _attached.get(optimizer) is self:
            del _attached[optimizer]
        if self._clipper._attachment is self:
            self._clipper._attachment = None

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _before_step(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Clip, or have the closure that computes the gradients clip."""
        # Not by counting: of a step that ends in an error nobody hears again.
        if _steps_under_way(optimizer, sys._getframe(1)) > 1:
            return None
        # The optimizer itself may come first among the arguments.
        place = 1 if args and args[0] is optimizer else 0
        closure = args[place] if len(args) > place else kwargs.get("closure")
        if not callable(closure):  # some optimizers take other things
            self._clip(optimizer)
            return None
        calls = 0

        def clipped_closure() -> Any:
            nonlocal calls
            calls += 1
            if calls > 1:
                raise RuntimeError(
                    f"{type(optimizer).__name__} calls its closure several times in a "
                    "step, so there is no one gradient to clip: remove the attachment, "
                    "and clip inside the closure if you must"
                )
            loss = closure()
            self._clip(optimizer)
            return loss

        if len(args) > place:
            return (*args[:place], clipped_closure, *args[place + 1 :]), kwargs
        return args, {**kwargs, "closure": clipped_closure}

    def _clip(self, optimizer: Optimizer) -> None:
        scale = getattr(optimizer, "grad_scale", None)
        gradients = self._clipper._gather(optimizer)
        self.report = self._clipper._clip(gradients, lambda finite: scale)


def _moves_more(optimizer: Any, inner: Optimizer) -> bool:
    """Whether what is around an optimizer has parameters that it has not."""
    inside = {id(one) for group in inner.param_groups for one in group["params"]}
    return any(
        id(one) not in inside
        for group in getattr(optimizer, "param_groups", ())
        for one in group["params"]
    )


def _steps_under_way(optimizer: Optimizer, frame: FrameType | None) -> int:
    """Return how many steps of an optimizer a frame is in.

    PyTorch wraps the step of every class of which it makes an optimizer, and each
    wrapper calls the hooks: where a step calls that of its base class, twice.
    """
    steps = 0
    while frame is not None:
        code = frame.f_code
        if code.co_filename == _WRAPPERS and code.co_name == "wrapper":
            steps += frame.f_locals["self"] is optimizer
        frame = frame.f_back
    return steps
