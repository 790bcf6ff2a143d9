"""What a run does from step to step: how far it goes, and how the ground bends.

Step size and local smoothness are what Seetharaman, Wichern, Pardo and Le Roux (2020)
look at to see what clipping does. Local smoothness is how fast the gradient changes
along a step: the distance of the gradients at both ends, divided by the distance of
the ends. High smoothness means rough ground. It is taken in two ways, which differ
much: with the minibatch of the step at both ends, and with one fixed minibatch
throughout.

Belongs to :doc:`/experiment`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from descent import checks
from descent.clipping import Clipper, global_norm
from descent.training import Record

__all__ = ["train_and_measure"]

Batch = TypeVar("Batch")


def train_and_measure(
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    draw: Callable[[], Batch],
    fixed: Batch,
    optimizer: Optimizer,
    steps: Iterable[int] | int,
    *,
    clip: Clipper | None = None,
) -> Record:
    """Train as usual, and measure each step.

    Measuring takes two more gradients a step, so this is about three times as slow
    as plain training; the run itself is the same, bit for bit, as long as `loss`
    draws no random numbers.

    Parameters
    ----------
    model : torch.nn.Module
        What is trained.
    loss : callable
        Returns the loss of a minibatch as a scalar tensor.
    draw : callable
        Returns the next minibatch.
    fixed : object
        The minibatch that is the same at every step.
    optimizer : torch.optim.Optimizer
        Any optimizer of the model's parameters whose step needs no closure.
    steps : int
        How many steps, at least 1; or what to go through, such as
        ``tqdm(range(100))``.
    clip : Clipper, optional
        Called on the parameters between ``backward()`` and ``step()``.

    Returns
    -------
    Record
        One row a step: ``loss`` and ``grad_norm`` of the step's minibatch before
        the step (and before clipping), ``step_size``, the distance that the
        parameters moved, ``smoothness`` measured on the step's own minibatch and
        ``smoothness_fixed`` on the fixed one (the 2-norm of the difference of
        gradients, divided by the step size). A step of size 0 has no smoothness:
        NaN.

    Raises
    ------
    TypeError, ValueError
        If `steps` is neither something to go through nor a whole number of at least 1.
    """
    if not isinstance(steps, Iterable):
        steps = range(checks.integer("steps", steps, at_least=1))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    record = Record()
    fixed_before = _gradient(model, weights, loss, fixed)
    for _ in steps:
        batch = draw()
        optimizer.zero_grad()
        value = loss(batch)
        value.backward()
        own_before = _flat([weight.grad for weight in weights], weights)
        norm = clip(weights).grad_norm if clip else global_norm(weights)
        start = _flat(weights, weights)
        optimizer.step()
        size = float((_flat(weights, weights) - start).norm())
        own = _gradient(model, weights, loss, batch) - own_before
        fixed_after = _gradient(model, weights, loss, fixed)
        record.append(
            loss=value,
            grad_norm=norm,
            step_size=size,
            smoothness=float(own.norm()) / size if size else np.nan,
            smoothness_fixed=(
                float((fixed_after - fixed_before).norm()) / size if size else np.nan
            ),
        )
        fixed_before = fixed_after
    return record


def _gradient(
    model: nn.Module,
    weights: list[nn.Parameter],
    loss: Callable[[Batch], Tensor],
    batch: Batch,
) -> Tensor:
    """Return the gradient as one vector; leave the model as it was."""
    # Batch normalization counts every minibatch it sees, also for measuring.
    kept = [buffer.clone() for buffer in model.buffers()]
    gradients = torch.autograd.grad(loss(batch), weights, allow_unused=True)
    with torch.no_grad():
        for buffer, before in zip(model.buffers(), kept, strict=True):
            buffer.copy_(before)
    return _flat(gradients, weights)


def _flat(tensors: Sequence[Tensor | None], weights: list[nn.Parameter]) -> Tensor:
    """Return copies of tensors as one vector, zeros for those that are missing."""
    return torch.cat(
        [
            (torch.zeros_like(weight) if tensor is None else tensor.detach()).flatten()
            for tensor, weight in zip(tensors, weights, strict=True)
        ]
    )
