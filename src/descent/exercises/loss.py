"""Checks of the chapter "Loss and brute force".

Belongs to :doc:`/loss`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_mean_loss", "check_search", "check_where"]


@exercise("loss-mean")
def check_mean_loss(mean_loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check the mean absolute difference, which refuses two unequal shapes."""
    prediction = torch.tensor([[1.0], [2.0], [9.0]])
    target = torch.tensor([[3.0], [1.0], [3.0]])
    # Residuals -2, 1, 6: signed mean, sum, maximum, squares, median all differ.
    got = mean_loss(prediction, target)
    expect("the loss of residuals -2, 1 and 6", got, 3.0)
    got = mean_loss(torch.zeros(2, 4), torch.full((2, 4), -3.0))
    expect("the loss of eight residuals of 3", got, 3.0)
    try:
        mean_loss(prediction, target.flatten())
    except ValueError:
        return
    raise NotYet(
        "Not yet: shapes (3, 1) and (3,) should raise a ValueError, "
        "but a loss came back."
    )


@exercise("loss-search")
def check_search(search: Callable[[Callable[[float], float], object], float]) -> None:
    """Check a search for the candidate of the smallest cost."""
    cases: list[tuple[str, Callable[[float], float], list[float], float]] = [
        (
            "(c - 32)**2 among 10, 30, 60",
            lambda c: (c - 32) ** 2,
            [10.0, 30.0, 60.0],
            30.0,
        ),
        ("c among 5, 7, 9", lambda c: c, [5.0, 7.0, 9.0], 5.0),
        ("-c among 5, 7, 9", lambda c: -c, [5.0, 7.0, 9.0], 9.0),
        ("|c| among -2, -1, 4", abs, [-2.0, -1.0, 4.0], -1.0),
    ]
    for what, cost, candidates, correct in cases:
        chosen = search(cost, np.array(candidates))
        expect(f"the candidate of the smallest {what}", chosen, correct)


@exercise("loss-where")
def check_where(
    where: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]],
) -> None:
    """Check the place of the minimum in a table whose rows are slopes."""
    slopes, intercepts = np.array([-1.0, 0.0, 2.0]), np.array([5.0, 6.0, 7.0])
    table = np.array([[9.0, 8.0, 1.0], [7.0, 4.0, 6.0], [5.0, 3.0, 2.0]])
    _expect_place("in a table of 3 x 3", where(table, slopes, intercepts), -1.0, 7.0)
    # More intercepts than slopes: the wrong way around leaves the table.
    intercepts = np.array([5.0, 6.0, 7.0, 8.0])
    table = np.array([[9.0, 8.0, 4.0, 5.0], [7.0, 4.0, 6.0, 0.5], [5.0, 3.0, 2.0, 6.0]])
    _expect_place("in a table of 3 x 4", where(table, slopes, intercepts), 0.0, 8.0)


def _expect_place(where: str, answer: object, m: float, b: float) -> None:
    """Compare a slope and an intercept."""
    if unanswered(answer):
        raise NotYet("Not answered yet.")
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise NotYet(f"Not yet: return two numbers, m and b; got {answer!r}.")
    if (answer[0], answer[1]) == (b, m):
        raise NotYet(f"Not yet: {where} you have exchanged slope and intercept.")
    expect(f"the slope {where}", answer[0], m)
    expect(f"the intercept {where}", answer[1], b)
