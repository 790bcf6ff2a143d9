"""Checks of the chapter "How big a step".

Belongs to :doc:`/learning-rate`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from descent.exercises.answers import Answer, Choice, answer
from descent.exercises.checking import exercise, expect

__all__ = ["check_limit", "check_plateau", "check_steps", "one_run"]


@exercise("learning-rate-steps")
def check_steps(steps: Callable[[float, float, float, float], Any]) -> None:
    """Check a function that predicts how many steps a run needs."""
    for loss, target, norm, lr, correct in (
        (9.0, 1.0, 4.0, 0.125, 4),
        (9.0, 1.0, 0.5, 0.125, 256),
        (8.9, 0.1, 5.0, 0.01, 36),
        (0.5, 5.0, 1.0, 0.5, 0),
    ):
        case = f"loss {loss}, target {target}, gradient norm {norm}, rate {lr}"
        expect(f"the steps needed ({case})", steps(loss, target, norm, lr), correct)


@exercise("learning-rate-limit")
def check_limit(largest: Callable[[Tensor], Any]) -> None:
    """Check a function that finds the largest stable rate for a line's inputs."""
    for x, where in (
        (torch.linspace(-10, 10, 100), "100 inputs from -10 to 10"),
        (torch.linspace(0, 4, 9), "9 inputs from 0 to 4"),
        (torch.tensor([0.1, -0.2, 0.1]), "three inputs near zero"),
    ):
        inputs = torch.stack([x, torch.ones_like(x)], dim=1)  # (n, 2)
        curvatures = torch.linalg.eigvalsh(2 * inputs.T @ inputs / len(x))
        limit = largest(x.reshape(-1, 1))
        expect(f"the limit ({where})", limit, 2 / curvatures.max(), tolerance=1e-3)


@exercise("learning-rate-schedule")
def check_plateau(plateau: Callable[[list[float], float, int], float]) -> None:
    """Check a schedule that halves the rate when the loss stops falling."""
    for losses, patience, right in (
        ([], 2, 0.8),
        ([5, 4, 3, 2], 2, 0.8),
        ([5, 4, 4, 4], 2, 0.4),
        ([5, 6, 4, 5, 6, 7], 2, 0.4),
        ([5, 5, 5, 5, 5], 2, 0.2),
        ([5, 5, 5, 4, 4, 4, 4], 3, 0.4),
    ):
        expect(
            f"the rate after {losses} with a patience of {patience}, from 0.8",
            plateau(list(map(float, losses)), 0.8, patience),
            right,
        )


@answer("learning-rate-one-run")
def one_run() -> Answer:
    """Return what to change in a run that jumps around a level."""
    remarks = {
        "ten times the steps": "The loss falls no further: more steps jump on.",
        "ten times the rate": "Its steps would be longer, and the jumps wider.",
        "another loss": "Two changes in one: you could not say what the rate did.",
    }
    right = "a tenth of the rate"
    options = ("ten times the steps", right, "ten times the rate", "another loss")
    return Answer(Choice("the change", right, options, remarks))
