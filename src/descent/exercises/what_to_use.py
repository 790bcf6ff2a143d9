"""Checks of the chapter "What to use".

Belongs to :doc:`/what-to-use`.
"""

from collections.abc import Callable

import numpy as np
import torch

from descent.exercises.answers import Answer, Choice, Number, answer
from descent.exercises.checking import exercise, expect
from descent.line import draw_line, predict
from descent.loss import mean_absolute_error, mean_squared_error
from descent.training import descend

__all__ = ["advice", "check_diagnose", "scale"]


@exercise("what-to-use-diagnose")
def check_diagnose(diagnose: Callable[[np.ndarray], str]) -> None:
    """Check a function that names what is wrong with a full-batch run."""
    # Made up, so that each rule is met alone.
    steps = np.arange(101)
    made_up = [
        ("a loss that falls, then stays", np.maximum(10 - steps, 1.0), "settled"),
        ("a loss that falls in a straight line", 10 - 0.02 * steps, "too slow"),
        ("a loss that goes up and down", 5 + (-1.0) ** steps, "oscillates"),
        ("a loss that doubles at every step", 2.0**steps, "diverged"),
        (
            "a falling loss that is not a number in the middle",
            np.where(steps == 50, np.nan, 10.0 - 0.05 * steps),
            "diverged",
        ),
        (
            "a loss that falls, with a rise at every fourth step",
            10 - 5 * np.minimum(steps, 60) / 60 + 0.5 * (steps % 4 == 0),
            "settled",
        ),
        # Two rules fit, of which the first counts; and each limit from both sides.
        (
            "a loss that falls, and rises at every other step",
            10 - 0.05 * steps + 0.5 * (-1.0) ** steps,
            "oscillates",
        ),
        ("a loss that ends five times as high", 1 + 0.04 * steps, "oscillates"),
        ("a loss that ends more than a hundred times as high", 1.05**steps, "diverged"),
        (
            "a loss that falls, with one needle",
            np.maximum(10 - steps, 1.0) + 200 * (steps == 50),
            "settled",
        ),
        ("a loss with 3 percent of its fall in the last tenth", _late(3), "too slow"),
        ("a loss with 1 percent of its fall in the last tenth", _late(1), "settled"),
    ]
    for what, loss, right in made_up:
        expect(what, diagnose(loss), right)
    for error, lr, right in [
        (mean_absolute_error, 0.5, "oscillates"),
        (mean_absolute_error, 0.01, "settled"),
        (mean_absolute_error, 0.001, "too slow"),
        (mean_squared_error, 0.1, "diverged"),
    ]:
        loss_name = error.__name__.replace("_", " ")
        what = f"the line, its {loss_name}, and a learning rate of {lr}"
        expect(what, diagnose(_run(error, lr)), right)


def _late(percent: float) -> np.ndarray:
    """Return a loss of 101 values, so much of whose fall comes in the last tenth."""
    return np.interp(range(101), [0, 90, 100], [10.0, percent / 10, 0.0])


def _run(error: Callable[..., torch.Tensor], lr: float) -> np.ndarray:
    """Return the loss of 100 full-batch steps on the book's line, shape (101,)."""
    # The generator is the check's own: the reader's random numbers go on undisturbed.
    data = draw_line(np.random.RandomState(0))
    theta = torch.tensor([-0.0075, 0.5364], requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=lr)
    run = descend(
        [theta], lambda: error(predict(theta, data.x), data.y), optimizer, 100
    )
    return run["loss"]


@answer("what-to-use-scale")
def scale() -> Answer:
    """Return what the sum of 100 losses asks for instead of their mean."""
    factors = {
        "plain descent's rate": 0.01,
        "Adam's rate": 1,
        "fixed threshold": 100,
        "percentile": 1,
    }
    return Answer(
        {
            name: Number(f"the factor for {name}", right)
            for name, right in factors.items()
        },
        counted=True,
    )


@answer("what-to-use-advice")
def advice() -> Answer:
    """Return what three people are told to change first."""
    right = {1: "clip at 5", 2: "nothing about the optimizer", 3: "a higher rate"}
    options = (
        "a higher rate",
        "a lower rate",
        "a lower percentile",
        "clip at 5",
        "nothing about the optimizer",
    )
    return Answer(
        {
            name: Choice(f"request {name}", said, options)
            for name, said in right.items()
        },
        counted=True,
    )
