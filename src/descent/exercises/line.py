"""Checks of the chapter "A line to learn".

Belongs to :doc:`/line`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_collapse", "check_count", "check_through_two"]

Line = tuple[float, float]


@exercise("line-count")
def check_count(count: Callable[[nn.Module], int]) -> None:
    """Check a function that counts a network's parameters."""
    expect("the parameters of the line", count(nn.Linear(1, 1)), 2)
    expect("the parameters of nn.Linear(3, 5)", count(nn.Linear(3, 5)), 20)
    deep = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2, bias=False))
    expect("the parameters of two layers, the second without bias", count(deep), 30)
    deep[0].requires_grad_(False)
    expect("the same with the first layer frozen", count(deep), 10)


@exercise("line-two-points")
def check_through_two(line: Callable[[Tensor, Tensor], Line]) -> None:
    """Check a function that finds the line through two points."""
    for x, y, m, b in [
        ((0, 1), (1, 3), 2, 1),
        ((-2, 4), (5, 5), 0, 5),
        ((2, 6), (1, -1), -0.5, 2),
    ]:
        answer = line(torch.tensor(x).float(), torch.tensor(y).float())
        where = f"through ({x[0]}, {y[0]}) and ({x[1]}, {y[1]})"
        _expect_line(where, answer, m, b)


@exercise("line-two-units")
def check_collapse(collapse: Callable[[nn.Linear, nn.Linear], Line]) -> None:
    """Check a function that turns two linear units in a row into one line."""
    for m1, b1, m2, b2 in [(2.0, 0.0, 3.0, 0.0), (2.0, 1.0, 3.0, 4.0)]:
        answer = collapse(_unit(m1, b1), _unit(m2, b2))
        where = f"of {m1:g} x + {b1:g} put into {m2:g} x + {b2:g}"
        _expect_line(where, answer, m2 * m1, m2 * b1 + b2)


def _unit(m: float, b: float) -> nn.Linear:
    """Return the linear unit ``m x + b``."""
    # Loading values draws no random numbers, unlike making a unit the usual way:
    # a check must not move the reader's generator.
    unit = nn.Linear(1, 1, device="meta").to_empty(device="cpu")
    unit.load_state_dict({"weight": torch.tensor([[m]]), "bias": torch.tensor([b])})
    return unit


def _expect_line(where: str, answer: object, m: float, b: float) -> None:
    """Compare a slope and an intercept, which may be one-element tensors."""
    if unanswered(answer):
        raise NotYet("Not answered yet.")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise NotYet(f"Not yet: return two numbers, m and b; got {answer!r}.")
    slope, intercept = (
        v.reshape(()) if isinstance(v, Tensor) and v.numel() == 1 else v for v in answer
    )
    expect(f"the slope {where}", slope, float(m))
    expect(f"the intercept {where}", intercept, float(b))
