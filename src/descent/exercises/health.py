"""Checks of the chapter "Signs of healthy training", and the runs it asks about.

Belongs to :doc:`/health`.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from descent.clipping import global_norm
from descent.exercises.answers import Answer, Choice, answer
from descent.exercises.checking import exercise, expect
from descent.loss import mean_squared_error
from descent.seeds import set_seed
from descent.training import Record

__all__ = [
    "DIAGNOSES",
    "check_gradient_norm",
    "clinic",
    "diagnoses",
    "patients",
    "quiet",
]

# What can be found, and a hint at where to look for a reader who took one wrong.
_HINTS = {
    "healthy": "both losses fall and level off, and the norm falls with them",
    "rate too high": "the loss swings up again and again, and the norm does not fall",
    "rate too low": "everything moves the right way, but has not got far",
    "dead units": "the loss does not move, and the norm is next to nothing",
    "bad batches": "single steps stand out, in the loss and in the norm at once",
    "overfitting": "the validation loss turns while the training loss falls on",
}
DIAGNOSES = tuple(_HINTS)

_STEPS = 200


@exercise("health-norm")
def check_gradient_norm(norm: Callable[[Iterable[Tensor]], Tensor | float]) -> None:
    """Check a function that computes the gradient norm of parameters."""
    line = _with_gradients(nn.Linear(1, 1), [[[3.0]], [4.0]])
    expect("the norm of the gradients 3 and 4", norm(line.parameters()), 5.0)
    layer = _with_gradients(nn.Linear(2, 1), [[[2.0, -2.0]], [1.0]])
    expect(
        "the norm of a weight's gradient (2, -2) and a bias's 1 (signs must not "
        "cancel)",
        norm(layer.parameters()),
        3.0,
    )
    two = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    _with_gradients(two, [[[1.0, 2.0], [3.0, 4.0]], [5.0, 5.0], [[-1.0, 0.0]], [0.0]])
    expect("the norm of two layers taken together", norm(two.parameters()), 9.0)
    two[1].weight.grad = two[1].bias.grad = None
    expect(
        "the norm when one layer has no gradient (its .grad is None)",
        norm(two.parameters()),
        80**0.5,
    )


@answer("health-diagnose")
def diagnoses() -> Answer:
    """Return what is the matter with the runs of `patients`."""
    remarks = {
        diagnosis: f"That would look like this: {hint}."
        for diagnosis, hint in _HINTS.items()
    }
    return Answer(
        {
            name: Choice(f"run {name}", right, DIAGNOSES, remarks)
            for name, (right, _) in _CASES.items()
        }
    )


def patients() -> dict[str, Record]:
    """Train one small network six times, five of them with something wrong.

    The network has 32 hidden units and learns one wave of a sine from noisy
    points by full-batch gradient descent.

    Returns
    -------
    dict of str to descent.training.Record
        Runs "A" to "F"; columns ``training``, ``validation`` and ``grad_norm``,
        one row for each of 200 steps.
    """
    return {name: case() for name, (_, case) in _CASES.items()}


def clinic() -> dict[str, Record]:
    """Train the network of `patients` seven times more, for the book's clinic.

    Returns
    -------
    dict of str to descent.training.Record
        One run for each of the diagnoses of `patients`, and one, "not a number",
        that meets a target which is not one. Columns as for `patients`. No run is
        one of those.
    """
    return {
        "bad batches": _train(spoiled=(40, 120), seed=4),
        "overfitting": _train(lr=0.07, points=8, sigma=0.5, seed=38),
        "healthy": _train(lr=0.08, seed=6),
        "not a number": _train(lost=130, seed=5),
        "rate too high": _train(lr=0.3, seed=11),
        "dead units": _train(bias=-6.0, seed=7),
        "rate too low": _train(lr=0.002, seed=8),
    }


def _train(
    lr: float = 0.1,
    points: int = 60,
    sigma: float = 0.2,
    bias: float | None = None,
    spoiled: tuple[int, ...] = (),
    lost: int | None = None,
    seed: int = 3,
) -> Record:
    """Train the network once; every argument has its healthy value as default."""
    rng = set_seed(seed)
    first = nn.Linear(1, 32)
    network = nn.Sequential(first, nn.ReLU(), nn.Linear(32, 1))
    if bias is not None:
        nn.init.constant_(first.bias, bias)
    x, y = _wave(rng, points, sigma)
    x_validation, y_validation = _wave(rng, 60, sigma)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    record = Record()
    for step in range(_STEPS):
        target = 10 * y if step in spoiled else y
        if step == lost:  # one target of one batch is not a number
            target = torch.cat([target[1:], torch.full((1, 1), torch.nan)])
        optimizer.zero_grad()
        loss = mean_squared_error(network(x), target)
        loss.backward()
        with torch.no_grad():
            validation = mean_squared_error(network(x_validation), y_validation)
        record.append(
            training=loss,
            validation=validation,
            grad_norm=global_norm(network.parameters()),
        )
        optimizer.step()
    return record


# The order is not the order of the hints, or there would be nothing to find out.
_CASES: dict[str, tuple[str, Callable[[], Record]]] = {
    "A": ("rate too high", lambda: _train(lr=0.25)),
    "B": ("overfitting", lambda: _train(points=8, sigma=0.5, seed=0)),
    "C": ("dead units", lambda: _train(bias=-5.0)),
    "D": ("healthy", lambda: _train()),
    "E": ("bad batches", lambda: _train(spoiled=(50, 100, 150))),
    "F": ("rate too low", lambda: _train(lr=0.001)),
}


def _wave(
    rng: np.random.RandomState, points: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return noisy points of ``sin(2 x)`` on [-2, 2], both (points, 1)."""
    x = torch.from_numpy(rng.uniform(-2, 2, (points, 1))).float()
    noise = torch.from_numpy(rng.normal(0, sigma, (points, 1))).float()
    return x, torch.sin(2 * x) + noise


def _with_gradients(network: nn.Module, gradients: list[list[object]]) -> nn.Module:
    """Give each parameter of a network a gradient; return the network."""
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return network


@answer("health-quiet")
def quiet() -> Answer:
    """Return what to try first for two runs whose loss hardly falls."""
    options = (
        "compare the fall with the promise",
        "raise the rate tenfold",
        "look for what stops the gradient",
    )
    first = {"norm 5": options[0], "norm 0.0001": options[2]}
    return Answer(
        {name: Choice(f"run of {name}", cure, options) for name, cure in first.items()},
        counted=True,
    )
