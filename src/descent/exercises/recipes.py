"""Checks of the chapter "Use it in your training".

Belongs to :doc:`/recipes`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from descent.clipping import AutoClip
from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_accumulate"]


@exercise("recipes-accumulate")
def check_accumulate(accumulate: Callable[..., Any]) -> None:
    """Check a step that follows the mean gradient of several minibatches."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=generator)
    y = x.sum(dim=1, keepdim=True)
    model = nn.Linear(3, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    clip = AutoClip(percentile=0)

    def loss_of(rows: slice) -> torch.Tensor:
        return ((model(x[rows]) - y[rows]) ** 2).mean()

    pieces = [slice(0, 4), slice(4, 8), slice(8, 12)]
    losses = [lambda rows=rows: loss_of(rows) for rows in pieces]
    for count in (1, 2):
        # What one step on all rows at once would do.
        weights = list(model.parameters())
        gradients = torch.autograd.grad(loss_of(slice(0, 12)), weights)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
        factor = min(min([*clip.history, norm]) / norm, 1)
        wanted = [
            parameter.detach() - 0.5 * factor * gradient
            for parameter, gradient in zip(weights, gradients, strict=True)
        ]
        report = accumulate(model, losses, optimizer, clip)
        if unanswered(report):
            raise NotYet("Not answered yet. (Return the clipper's report.)")
        expect("the number of norms in the history", len(clip.history), count)
        expect(
            f"the gradient norm of step {count}",
            getattr(report, "grad_norm", report),
            norm,
        )
        for (name, parameter), right in zip(
            model.named_parameters(), wanted, strict=True
        ):
            expect(f"{name} after step {count}", parameter, right)
