"""Checks of the chapter "Choosing an optimizer".

Belongs to :doc:`/optimizers`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Choice, Number, answer
from descent.exercises.checking import NotYet, exercise, expect

__all__ = [
    "check_momentum_step",
    "check_number_of_steps",
    "first_step",
    "turned",
]


@exercise("optimizers-steps")
def check_number_of_steps(steps: Callable[[int, int, int, int], int]) -> None:
    """Check a function that counts steps from points, batch size and epochs."""
    for n, size, epochs, accumulate, right in (
        (100, 10, 1, 1, 10),
        (100, 100, 7, 1, 7),
        (105, 10, 1, 1, 11),
        (105, 10, 3, 1, 33),
        (8, 20, 2, 1, 2),
        (105, 10, 3, 4, 9),
        (40, 10, 1, 4, 1),
    ):
        expect(
            f"{n} points, batches of {size}, {epochs} epochs, {accumulate} batches "
            "a step",
            steps(n, size, epochs, accumulate),
            right,
        )


@exercise("optimizers-momentum")
def check_momentum_step(
    step: Callable[[Tensor, Tensor, Tensor, float, float], tuple[Tensor, Tensor]],
) -> None:
    """Check a function that makes one step with momentum."""
    theta, velocity = torch.tensor([1.0, -2.0]), torch.zeros(2)
    moved = step(theta, torch.tensor([0.5, 1.0]), velocity, 0.1, 0.9)
    if moved is None:
        raise NotYet("Not answered yet.")
    if not isinstance(moved, tuple) or len(moved) != 2:
        raise NotYet("Not yet: return two things, the new theta and the new velocity.")
    expect(
        "the velocity after the first step (it starts at 0 and adds the gradient)",
        moved[1],
        torch.tensor([0.5, 1.0]),
    )
    expect("theta after the first step", moved[0], torch.tensor([0.95, -2.1]))
    again = step(moved[0], torch.tensor([1.0, -1.0]), moved[1], 0.1, 0.5)
    expect(
        "the velocity after the second step, with a momentum of 0.5",
        again[1],
        torch.tensor([1.25, -0.5]),
    )
    expect(
        "theta after the second step (it moves by the new velocity)",
        again[0],
        torch.tensor([0.825, -2.05]),
    )


@answer("optimizers-first-step")
def first_step() -> Answer:
    """Return by how much Adam's first step moves two very unlike parameters."""
    what = "the move of the {} parameter (its sign, and its size against the rate)"
    return Answer(
        (
            Number(what.format("first"), -0.1, tolerance=1e-3),
            Number(what.format("second"), 0.1, tolerance=1e-3),
        )
    )


@answer("optimizers-turned")
def turned() -> Answer:
    """Return which rules do not notice that the ground was turned."""
    same = {"plain": True, "momentum": True, "Adam": False}
    return Answer(
        {
            name: Choice(f"the same path with {name}", right, (True, False))
            for name, right in same.items()
        },
        counted=True,
    )
