"""A line to learn: noisy points, and the smallest model that fits them.

The model is ``y_hat = m x + b``, with two parameters ``theta = (m, b)``.

Belongs to :doc:`/line`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from descent import checks

__all__ = ["LineData", "draw_line", "predict"]


class LineData(NamedTuple):
    """Points on a line, with noise, and the line they came from.

    Attributes
    ----------
    x : torch.Tensor
        Inputs, shape (n, 1).
    y : torch.Tensor
        Targets, shape (n, 1): ``m x + b + noise``.
    noise : torch.Tensor
        What was added to the line, shape (n, 1).
    m, b : float
        The true slope and intercept.
    """

    x: Tensor
    y: Tensor
    noise: Tensor
    m: float
    b: float


def draw_line(rng: np.random.RandomState, n: int = 100, sigma: float = 0.1) -> LineData:
    """Draw a random line and `n` noisy points on it.

    The numbers are drawn in a fixed order: slope, intercept, then the noise of
    all points, so that the same generator always gives the same data.

    Parameters
    ----------
    rng : numpy.random.RandomState
        The generator to draw from, as :func:`descent.seeds.set_seed` returns it.
    n : int
        How many points, evenly spaced over [-10, 10].
    sigma : float
        Standard deviation of the noise.

    Returns
    -------
    LineData
        The points, shapes (n, 1), as float32.

    Raises
    ------
    TypeError
        If `rng` is another kind of generator: it would draw another line.
    ValueError
        If `n` is below 1 or `sigma` below 0.
    """
    if not isinstance(rng, np.random.RandomState):
        raise TypeError(f"rng must be a numpy.random.RandomState, got {rng!r}")
    n = checks.integer("n", n, at_least=1)
    sigma = checks.real("sigma", sigma, at_least=0)
    m, b = float(rng.randn()), float(rng.randn())
    x = np.linspace(-10, 10, n)
    noise = rng.normal(0, sigma, n)

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().reshape(n, 1)

    return LineData(column(x), column(m * x + b + noise), column(noise), m, b)


def predict(theta: Tensor, x: Tensor) -> Tensor:
    """Return the line ``m x + b`` at `x`.

    Parameters
    ----------
    theta : torch.Tensor
        Slope and intercept, shape (2,).
    x : torch.Tensor
        Inputs, any shape.

    Returns
    -------
    torch.Tensor
        Predictions, the shape of `x`.
    """
    return theta[0] * x + theta[1]
