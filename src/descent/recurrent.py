"""A network with memory, on a task that needs one: the adding problem.

The input is a sequence of random numbers with two of them marked; the network
answers, after the last step, with the sum of the marked two (Hochreiter and
Schmidhuber 1997). The gradient has to travel back through every step in between,
and may explode on its way.

Belongs to :doc:`/clipping` and :doc:`/autoclip`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from descent import checks
from descent.seeds import set_seed

__all__ = ["ReluRNN", "ReluRNNs", "adding_batch"]


def adding_batch(
    batch: int, length: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw sequences of numbers, two of them marked, and the sums to answer.

    One mark lies in the first half of the sequence, the other in the second.

    Parameters
    ----------
    batch : int
        How many sequences.
    length : int
        How many numbers in each, at least 2.
    generator : torch.Generator
        The generator to draw from.

    Returns
    -------
    inputs : torch.Tensor
        Shape (length, batch, 2): the number in [0, 1), and 1 where it is marked.
    sums : torch.Tensor
        Shape (batch,): the sum of the two marked numbers.

    Raises
    ------
    ValueError
        If `batch` is below 1 or `length` below 2.
    """
    batch = checks.integer("batch", batch, at_least=1)
    length = checks.integer("length", length, at_least=2)
    numbers = torch.rand(length, batch, generator=generator)
    half = length // 2
    early = torch.randint(0, half, (batch,), generator=generator)
    late = torch.randint(half, length, (batch,), generator=generator)
    marks = torch.zeros(length, batch)
    every = torch.arange(batch)
    marks[early, every] = 1
    marks[late, every] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(dim=0)


class ReluRNN(nn.Module):
    """A recurrent network that starts out as a perfect memory.

    One hidden layer with ReLU, whose recurrent weights start as the identity:
    the state is copied on unless the input changes it (Le, Jaitly and Hinton
    2015). Any eigenvalue that grows past one makes state and gradient grow like
    its power, which is what clipping is for.

    Parameters
    ----------
    hidden : int
        Size of the state.

    Raises
    ------
    TypeError, ValueError
        If `hidden` is not a whole number of at least 1.
    """

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        hidden = checks.integer("hidden", hidden, at_least=1)
        self.rnn = nn.RNN(2, hidden, nonlinearity="relu")
        self.out = nn.Linear(hidden, 1)
        with torch.no_grad():
            inward, across, *biases = self.rnn.parameters()
            nn.init.eye_(across)
            nn.init.normal_(inward, std=0.05)
            for bias in biases:
                bias.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        """Read the sequences and return one number for each.

        Parameters
        ----------
        inputs : torch.Tensor
            Shape (length, batch, 2).

        Returns
        -------
        torch.Tensor
            Shape (batch,).
        """
        inward, across, *biases = self.rnn.parameters()
        driven = nn.functional.linear(inputs, inward, biases[0] + biases[1])
        last: Tensor = _Unrolled.apply(driven, across)
        answer: Tensor = self.out(last).squeeze(-1)
        return answer


class ReluRNNs(nn.Module):
    """Several networks side by side: each a :class:`ReluRNN` of its own seed.

    Every parameter has a leading axis of networks, so that one call answers for all of
    them; for networks this small that takes about a fifth of the time. No network's
    answer depends on another's parameters: the gradient of the sum of their losses
    holds the gradient of each.

    Parameters
    ----------
    seeds : sequence of int
        One for each network: :func:`descent.seeds.set_seed` is called with it, and
        then the network is drawn.
    hidden : int
        Size of each network's state.

    Raises
    ------
    TypeError, ValueError
        If there is no seed, or `hidden` is not a whole number of at least 1.
    """

    def __init__(self, seeds: Sequence[int], hidden: int = 32) -> None:
        super().__init__()
        checks.integer("len(seeds)", len(seeds), at_least=1)
        drawn = []
        for seed in seeds:
            set_seed(seed)
            drawn.append([p.detach() for p in ReluRNN(hidden).parameters()])
        self.all = nn.ParameterList(
            nn.Parameter(torch.stack(same)) for same in zip(*drawn, strict=True)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Let each network read sequences of its own.

        Parameters
        ----------
        inputs : torch.Tensor
            Shape (length, networks, batch, 2).

        Returns
        -------
        torch.Tensor
            Shape (networks, batch).
        """
        inward, across, *biases, outward, last_bias = self.all
        bias = (biases[0] + biases[1])[:, None]  # (networks, 1, hidden)
        # All time steps of a network in one product; its axis stays the outermost.
        rows = inputs.movedim(0, 1).flatten(1, 2)
        driven = torch.baddbmm(bias, rows, inward.mT)
        driven = driven.unflatten(1, (len(inputs), -1)).movedim(1, 0)
        last: Tensor = _Unrolled.apply(driven, across)
        answer: Tensor = (last @ outward.mT).squeeze(-1) + last_bias
        return answer


class _Unrolled(torch.autograd.Function):
    """``state = relu(driven[t] + W state)`` for every t, and its backpropagation.

    The same as `torch.nn.RNN`, in less than half of its time: for a network this small
    nearly all time goes into the bookkeeping of single operations and into copies, and
    writing backpropagation through time by hand needs three of them a step.
    """

    @staticmethod
    def forward(ctx: Any, driven: Tensor, weight: Tensor) -> Tensor:
        """Return the last state, shape (batch, hidden).

        ``driven`` is what the inputs contribute, shape (length, batch, hidden),
        ``weight`` is W, shape (hidden, hidden); both may have an axis of networks
        before their last two.
        """
        states = driven.new_empty(len(driven) + 1, *driven.shape[1:])
        states[0] = 0
        steps, across = states.unbind(), weight.mT
        add = torch.addmm if weight.ndim == 2 else torch.baddbmm
        for before, after, drive in zip(steps, steps[1:], driven, strict=False):
            add(drive, before, across, out=after).relu_()
        ctx.save_for_backward(states, weight)
        ctx.strides = driven.stride()
        return states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of ``driven`` and ``weight``, in their shapes."""
        states, weight = ctx.saved_tensors
        # In the order of ``driven`` in memory: what is computed next needs no copy.
        grads = grad.new_empty_strided(states[1:].shape, ctx.strides)
        steps, before = grads.unbind(), states.unbind()
        total = torch.zeros_like(weight)
        multiply, add = (
            (torch.mm, torch.addmm) if weight.ndim == 2 else (torch.bmm, torch.baddbmm)
        )
        # The slope of ReLU is 1 where the state is above 0, and 0 elsewhere.
        gate = torch.ops.aten.threshold_backward.grad_input
        gate(grad, before[-1], 0, grad_input=steps[-1])
        for t in range(len(steps) - 1, 0, -1):
            # One factor of the product that explodes or vanishes.
            gate(multiply(steps[t], weight), before[t], 0, grad_input=steps[t - 1])
            add(total, steps[t].mT, before[t], out=total)
        return grads, total
