"""Checks of the chapter "A line to learn"."""

from collections.abc import Callable

import torch
from torch import Tensor

from descent.exercises.checking import exercise, expect

__all__ = ["check_count", "check_through_two"]


@exercise("line-count")
def check_count(count: Callable[[torch.nn.Module], int]) -> None:
    """Check a function that counts a network's parameters."""
    expect("the parameters of the line", count(torch.nn.Linear(1, 1)), 2)
    deep = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 2))
    expect("the parameters of two layers, 3 to 5 to 2", count(deep), 32)


@exercise("line-two-points")
def check_through_two(line: Callable[[Tensor, Tensor], tuple[float, float]]) -> None:
    """Check a function that finds the line through two points."""
    for x, y, m, b in [((0, 1), (1, 3), 2, 1), ((-2, 4), (5, 5), 0, 5)]:
        found = line(torch.tensor(x).float(), torch.tensor(y).float())
        where = f"through ({x[0]}, {y[0]}) and ({x[1]}, {y[1]})"
        expect(f"the slope {where}", found[0], float(m))
        expect(f"the intercept {where}", found[1], float(b))
