"""Checks of the chapter "Following the slope".

Belongs to :doc:`/gradient`.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import NotYet, exercise, expect, unanswered
from descent.line import draw_line, predict
from descent.loss import mean_absolute_error
from descent.seeds import set_seed

__all__ = ["check_by_hand", "check_finite", "check_gain", "forget"]


@exercise("gradient-finite")
def check_finite(
    slope: Callable[[Callable[[float], float], float, float], float],
) -> None:
    """Check a function that estimates a slope by a central difference."""
    expect("the slope of 2 m + 1 (h = 0.5)", slope(lambda m: 2 * m + 1, 4.0, 0.5), 2.0)
    expect("the slope of m**2 at 3 (h = 0.5)", slope(lambda m: m**2, 3.0, 0.5), 6.0)
    expect("the slope of |m| at its tip, m = 0 (h = 0.1)", slope(abs, 0.0, 0.1), 0.0)
    expect("the slope of m**3 at 1 (h = 0.1)", slope(lambda m: m**3, 1.0, 0.1), 3.01)


@exercise("gradient-by-hand")
def check_by_hand(gradient: Callable[[float, float, Tensor, Tensor], Any]) -> None:
    """Check a function that returns the gradient of the mean absolute error."""
    x, y = torch.tensor([[2.0], [3.0]]), torch.tensor([[0.0], [0.0]])
    _compare(gradient, 1.0, 0.0, x, y, "two points below the line y = x")
    data = draw_line(set_seed(7), n=31)
    for m, b in ((-1.0, 0.5), (2.0, -1.5), (data.m, data.b + 0.02)):
        where = f"31 points, m = {m:.4g}, b = {b:.4g}"
        _compare(gradient, m, b, data.x + 2, data.y, where)


def _compare(
    gradient: Callable[[float, float, Tensor, Tensor], Any],
    m: float,
    b: float,
    x: Tensor,
    y: Tensor,
    where: str,
) -> None:
    """Compare the reader's gradient with PyTorch's at one point."""
    theta = torch.tensor([m, b], requires_grad=True)
    loss = mean_absolute_error(predict(theta, x), y)
    along_m, along_b = torch.autograd.grad(loss, theta)[0]
    slopes = gradient(m, b, x, y)
    if unanswered(slopes):
        raise NotYet("Not answered yet.")
    try:
        got_m, got_b = slopes
    except (TypeError, ValueError):
        raise NotYet(
            "Not yet: return two numbers, the slope along m and the slope along b."
        ) from None
    expect(f"the slope along m ({where})", got_m, along_m, tolerance=1e-4)
    expect(f"the slope along b ({where})", got_b, along_b, tolerance=1e-4)


@exercise("gradient-gain")
def check_gain(gain: Callable[[float, Sequence[float]], float]) -> None:
    """Check what one step promises to gain."""
    for lr, slopes in ((0.01, (-5.0, 0.2)), (0.1, (3.0, -4.0)), (0.5, (1.0, 1.0, 1.0))):
        expect(
            f"the gain at a rate of {lr} with slopes {slopes}",
            gain(lr, slopes),
            lr * sum(slope**2 for slope in slopes),
        )


@answer("gradient-forget")
def forget() -> Answer:
    """Return how often a line that never clears its gradients passes the minimum."""
    rng = set_seed(0)
    model = nn.Linear(1, 1)
    data = draw_line(rng)
    passed = [model.weight.item() > 1.76]
    for _ in range(400):
        mean_absolute_error(model(data.x), data.y).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter.sub_(0.01 * parameter.grad)
        passed.append(model.weight.item() > 1.76)
    right = sum(a != b for a, b in itertools.pairwise(passed))
    return Answer(Number("the number of crossings", right))
