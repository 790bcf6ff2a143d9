"""Checks of the chapter "When the ground is no bowl".

Belongs to :doc:`/network`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Number, answer
from descent.exercises.checking import NotYet, exercise, expect, unanswered

__all__ = ["check_barrier", "check_twins", "edge"]


@exercise("network-twins")
def check_twins(twins_of: Callable[[int], int]) -> None:
    """Check how many sets of parameters are one network."""
    for units in (1, 2, 3, 7):
        expect(
            f"the twins of a network with {units} units",
            twins_of(units),
            math.factorial(units) * 2**units,
        )


@exercise("network-barrier")
def check_barrier(
    barrier: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], float],
) -> None:
    """Check a barrier on a bowl, over a hill, and between ends of unequal height."""
    a, b = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 0.0])

    def bowl(theta: Tensor) -> Tensor:
        return theta.square().sum()

    def hill(theta: Tensor) -> Tensor:
        return 1 - theta.square().sum()

    def slanted(theta: Tensor) -> Tensor:
        return 3 * theta[0] + (1 - theta[0] ** 2)

    if unanswered(barrier(bowl, a, b)):
        raise NotYet("Not answered yet.")
    expect("the barrier on a bowl", barrier(bowl, a, b), 0.0)
    expect("the barrier over a hill of height 1", barrier(hill, a, b), 1.0)
    expect("the barrier on a slanted hill of height 1", barrier(slanted, a, b), 1.0)


@answer("network-edge")
def edge() -> Answer:
    """Return the sharpness at which two rates stop."""
    return Answer(
        tuple(
            Number(f"the sharpness at a rate of {rate}", 2 / rate)
            for rate in (0.02, 0.08)
        )
    )
