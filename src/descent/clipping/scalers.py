"""Whether a gradient scaler is at work, and by how much it has scaled.

With 16-bit floats a :class:`torch.amp.GradScaler` multiplies the loss, so that small
gradients survive, and makes its scale smaller when they overflow. A clipper that sees
the scaled gradients has to know: their norm is that of the scale, too, and overflow is
not for the clipper to tidy away, or the scaler never hears of it.

Told of the scaler, a clipper asks it whether the gradients are still scaled. Not told,
it looks for one among the interpreter's objects (:class:`ScalerWatch`), whenever there
is a new one. Nothing ties a scaler to gradients before its ``unscale_`` or ``step``, so
the watch goes by what it can prove, and refuses to go on

- at the first step of a scaler that has served nobody else: its loss has just been
  scaled, and what else would have been;
- if an optimizer of these parameters was stepped by the scaler after the clipper had
  seen its gradients scaled;
- if the norm is not finite and nothing yet shows that the scaler works for others.

A scaler that unscaled the gradients, one that is disabled, and, while norms are finite,
one left over from earlier or one that works for another network pass. What it cannot
do: prove anything about scalers that are not subclasses of PyTorch's, or that
`gc.freeze` has hidden; notice before the second step that a scaler older than the
clipper is at work. A refusal by mistake (a scaler of another network that is at its
first step at the same time, or a norm that is not finite beside a scaler of earlier) is
answered by passing a disabled scaler, ``scaler=torch.amp.GradScaler(enabled=False)``.

Belongs to :doc:`/recipes`.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.amp.grad_scaler import GradScaler, OptState
from torch.optim import Optimizer

__all__ = ["ScalerWatch", "innermost", "nest"]

_ADVICE = (
    "Call scaler.unscale_(optimizer) before clipping, or pass scaler=scaler to the "
    "clipper, or attach it to the optimizer. (If no scaler works on these gradients, "
    "pass scaler=torch.amp.GradScaler(enabled=False))"
)


# The scalers seen last, the classes there were, and how many references to these. Each
# instance and each derived class holds one, so that a new one is noticed cheaply.
_known: list[weakref.ref[GradScaler]] = []
_classes: list[Any] = []
_references = -1


def _scalers() -> list[GradScaler]:
    """Return the live scalers that have scaled something."""
    global _known, _classes, _references
    if sum(map(sys.getrefcount, _classes)) == _references:
        if not _known:
            return []
        scalers = [one for one in (ref() for ref in _known) if one is not None]
    else:
        scalers = []
    if len(scalers) < len(_known) or not scalers:
        scalers = _alive(GradScaler)
        _known = [weakref.ref(scaler) for scaler in scalers]
        _classes = _family(GradScaler)
        _references = sum(map(sys.getrefcount, _classes))
    return [one for one in scalers if one.is_enabled() and one._scale is not None]


def innermost(optimizer: Any) -> Any:
    """Return the optimizer inside of wrappers."""
    return nest(optimizer)[-1]


def nest(optimizer: Any) -> list[Any]:
    """Return an optimizer and, from the outside in, those that it wraps."""
    found = [optimizer]
    while isinstance(getattr(found[-1], "optimizer", None), Optimizer):
        found.append(found[-1].optimizer)
    return found


def _owners(parameters: Iterable[Tensor]) -> tuple[list[Optimizer], list[Optimizer]]:
    """Return the live optimizers that move any of the parameters, and all others."""
    wanted = {id(parameter) for parameter in parameters}
    owners: list[Optimizer] = []
    others: list[Optimizer] = []
    # What a wrapper wraps need not be among them.
    nests = map(nest, _alive(Optimizer))
    for optimizer in {id(one): one for found in nests for one in found}.values():
        moves = any(
            id(parameter) in wanted
            for group in getattr(optimizer, "param_groups", ())
            for parameter in group["params"]
        )
        (owners if moves else others).append(optimizer)
    return owners, others


def _family(kind: Any) -> list[Any]:
    """Return a class and all that are derived from it."""
    classes = [kind]
    for derived in kind.__subclasses__():
        classes += _family(derived)
    return classes


def _alive(kind: Any) -> list[Any]:
    """Return all live objects of a class: the interpreter knows who refers to it."""
    # Not isinstance: it asks objects for __class__, and lazy ones come to life.
    referrers = gc.get_referrers(*_family(kind))
    return [one for one in referrers if issubclass(type(one), kind)]


class ScalerWatch:
    """What a clipper knows of the scalers around it."""

    def __init__(self) -> None:
        self._calls = 0
        self._owners: list[weakref.ref[Optimizer]] = []
        self._others: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        # The scalers that were seen to serve these optimizers, and not to.
        self._serving: weakref.WeakSet[GradScaler] = weakref.WeakSet()
        self._innocent: weakref.WeakSet[GradScaler] = weakref.WeakSet()

    def scale_of(
        self,
        scaler: GradScaler,
        parameters: list[Tensor],
        optimizer: Optimizer | None = None,
    ) -> Tensor | None:
        """Return what the gradients are multiplied with; None if not or no longer.

        Parameters
        ----------
        scaler : torch.amp.GradScaler
            The scaler of the loss.
        parameters : list of torch.Tensor
            The parameters that have the gradients.
        optimizer : torch.optim.Optimizer, optional
            Who moves them. Without it, all live optimizers are looked through.

        Returns
        -------
        torch.Tensor or None
            The scale, float32 of shape ().

        Raises
        ------
        TypeError, ValueError
            If `scaler` is none, has not scaled anything, or its optimizer has been
            stepped already.
        """
        if not isinstance(scaler, GradScaler):
            raise TypeError(
                f"scaler must be a torch.amp.GradScaler, got {type(scaler).__name__}"
            )
        if not scaler.is_enabled():
            return None
        if scaler._scale is None:
            raise ValueError(
                "scaler must have scaled the loss before, got one that has not scaled "
                "anything: call scaler.scale(loss).backward()"
            )
        if optimizer is not None:
            found = nest(optimizer)
        else:
            touched = {
                identity
                for identity, state in scaler._per_optimizer_states.items()
                if state["stage"] is not OptState.READY
            }
            if not touched:
                return scaler._scale
            found = self._known_owners(parameters, touched)
        stages = {*_stages(scaler, found).values()}
        if OptState.STEPPED in stages:
            raise ValueError(
                "gradients must be clipped before scaler.step(optimizer), got them "
                "after it"
            )
        if not found or len(stages) > 1:
            raise ValueError(
                "parameters must be those of optimizers that scaler.unscale_ was "
                "called for, or of those that it was not, got "
                f"{'both' if stages else 'some of no live optimizer'}: "
                "pass the optimizer itself in place of its parameters"
            )
        return None if OptState.UNSCALED in stages else scaler._scale

    def _known_owners(
        self, parameters: list[Tensor], touched: set[int]
    ) -> list[Optimizer]:
        """Return who moves the parameters; look anew if the scaler met a stranger."""
        found = [reference() for reference in self._owners]
        known = {*map(id, found), *map(id, self._others)}
        if not found or None in found or not touched <= known:
            found = self._look(parameters)
        return [one for one in found if one is not None]

    def _live_owners(self) -> list[Any]:
        """Return those who moved the parameters when they were last looked for."""
        return [one for one in (ref() for ref in self._owners) if one is not None]

    def _look(self, parameters: list[Tensor]) -> list[Any]:
        """Look through all optimizers, and remember which move the parameters."""
        owners, others = _owners(parameters)
        self._owners = [weakref.ref(one) for one in owners]
        self._others = weakref.WeakSet(others)
        return owners

    def check(self, parameters: list[Tensor], finite: bool) -> None:
        """Refuse gradients that a scaler has scaled and nobody unscaled.

        Parameters
        ----------
        parameters : list of torch.Tensor
            The parameters that have the gradients.
        finite : bool
            Whether the norm is.

        Raises
        ------
        RuntimeError
            If a scaler is at work that the clipper must be told of.
        """
        self._calls += 1
        scalers = _scalers()
        if not scalers:
            return
        # A norm that is not finite decides: the optimizer may be a new one.
        if self._calls & (self._calls - 1) == 0 or not self._owners or not finite:
            self._look(parameters)
            if finite:
                self._innocent.clear()  # its next step proves it again
        known = self._live_owners()
        if any(_unscaled(scaler, known) for scaler in scalers):
            return  # whatever overflowed, that scaler knows
        for scaler in scalers:
            self._suspect(scaler, known, finite)

    def _suspect(
        self, scaler: GradScaler, known: list[Optimizer], finite: bool
    ) -> None:
        """Look at one scaler that has scaled something, of gradients not unscaled."""
        states = scaler._per_optimizer_states
        if scaler in self._serving:
            raise RuntimeError(
                "gradients must be unscaled before they are clipped: in an earlier "
                f"step a gradient scaler unscaled them only afterwards. {_ADVICE}"
            )
        busy = any(state["stage"] is not OptState.READY for state in states.values())
        if scaler in self._innocent or (busy and not known):
            return
        # Both tensors are written to by every update().
        scale = scaler._scale
        fresh = scale is not None and not scale._version and not busy
        if fresh or not finite:
            raise RuntimeError(
                "gradients must be unscaled before they are clipped: a live gradient "
                f"scaler has scaled a loss and not unscaled them. {_ADVICE}"
            )
        for optimizer in {id(one): one for one in map(innermost, known)}.values():
            self._listen(optimizer)

    def _listen(self, optimizer: Optimizer) -> None:
        """Find out, at the next step of an optimizer, which scalers serve it."""
        if optimizer not in _listeners:
            if not hasattr(optimizer, "_optimizer_step_pre_hooks"):
                return  # a wrapper of the kind that calls none
            _listeners[optimizer] = weakref.WeakSet()
            # It stays: PyTorch walks over the hooks, of which none may go meanwhile.
            optimizer.register_step_pre_hook(_tell)
        _listeners[optimizer].add(self)

    def hear(self, optimizer: Optimizer) -> None:
        """Note which scalers serve an optimizer that is about to step.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            The optimizer, which is inside of its wrappers.
        """
        owners = self._live_owners()
        same = [one for one in owners if innermost(one) is optimizer]
        unscales_itself = getattr(optimizer, "grad_scale", None) is not None
        for scaler in _scalers():
            if unscales_itself or _unscaled(scaler, same):
                self._serving.add(scaler)
            else:
                self._innocent.add(scaler)


# Who wants to hear of the next step of an optimizer.
_listeners: weakref.WeakKeyDictionary[Optimizer, weakref.WeakSet[ScalerWatch]] = (
    weakref.WeakKeyDictionary()
)


def _tell(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    """Let those hear who wait for a step of an optimizer, once."""
    waiting = [*_listeners.get(optimizer, ())]
    if waiting:
        _listeners[optimizer].clear()
    for watch in waiting:
        watch.hear(optimizer)


def _stages(scaler: GradScaler, optimizers: list[Any]) -> dict[int, OptState]:
    """Return how far a scaler is with optimizers since its last update.

    A wrapper and what is inside are one, whichever of them the scaler was given.
    """
    stages: dict[int, OptState] = {}
    for optimizer in optimizers:
        # Not by [...]: it would make an entry for a stranger.
        state = scaler._per_optimizer_states.get(id(optimizer))
        stage = OptState.READY if state is None else state["stage"]
        inner = id(innermost(optimizer))
        if stage is not OptState.READY or inner not in stages:
            stages[inner] = stage
    return stages


def _unscaled(scaler: GradScaler, optimizers: list[Any]) -> bool:
    """Whether a scaler has unscaled the gradients of any of the optimizers."""
    stages = _stages(scaler, optimizers).values()
    return any(stage is not OptState.READY for stage in stages)
