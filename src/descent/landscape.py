"""Loss and gradient over a whole grid of two parameters at once.

The plain way is a double loop, one loss at a time. `torch.func.vmap` runs the
same loss for all points of the grid in one go, and `torch.func.grad` turns it
into its gradient: nothing is rewritten, nothing is approximated.

Belongs to :doc:`/loss` and :doc:`/gradient`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, vmap

from descent import checks

__all__ = ["GradientField", "Landscape", "axis", "gradient_grid", "loss_grid"]

Loss = Callable[[Tensor], Tensor]

# How many points are computed at once. A grid of 100 x 100 over 100 data points
# is one such chunk of a few megabytes; larger grids take several.
_CHUNK = 16_384


@dataclass(frozen=True)
class Landscape:
    """A loss over a grid.

    Rows are the second parameter, columns the first, as `matplotlib` wants
    them: ``ax.pcolormesh(first, second, loss)`` puts every value where it belongs.

    Attributes
    ----------
    first : numpy.ndarray
        Values of the first parameter, shape (columns,).
    second : numpy.ndarray
        Values of the second parameter, shape (rows,).
    loss : numpy.ndarray
        The loss, shape (rows, columns): ``loss[i, j]`` belongs to
        ``(first[j], second[i])``.
    """

    first: np.ndarray
    second: np.ndarray
    loss: np.ndarray

    def minimum(self) -> tuple[float, float, float]:
        """Return the first parameter, the second and the loss at the lowest point.

        Points whose loss is not a number are passed over.

        Returns
        -------
        tuple of float
            ``(first, second, loss)``.

        Raises
        ------
        ValueError
            If no point of the grid has a number for a loss.
        """
        if np.isnan(self.loss).all():
            raise ValueError("loss has no number anywhere on the grid")
        row, column = np.unravel_index(np.nanargmin(self.loss), self.loss.shape)
        return (
            float(self.first[column]),
            float(self.second[row]),
            float(self.loss[row, column]),
        )


@dataclass(frozen=True)
class GradientField:
    """A gradient over a grid, rows and columns as in :class:`Landscape`.

    Attributes
    ----------
    first, second : numpy.ndarray
        The grid's values, shapes (columns,) and (rows,).
    d_first, d_second : numpy.ndarray
        The slope along each parameter, shape (rows, columns).
    """

    first: np.ndarray
    second: np.ndarray
    d_first: np.ndarray
    d_second: np.ndarray

    def norm(self) -> np.ndarray:
        """Return the length of the gradient at every point.

        Returns
        -------
        numpy.ndarray
            Shape (rows, columns).
        """
        return np.hypot(self.d_first, self.d_second)


def axis(low: float, high: float, count: int) -> np.ndarray:
    """Return `count` evenly spaced values from `low` to `high`, both included.

    Parameters
    ----------
    low, high : float
        The ends; `low` below `high`.
    count : int
        How many values, at least 2.

    Returns
    -------
    numpy.ndarray
        Shape (count,), float64.

    Raises
    ------
    ValueError
        If the ends are in the wrong order or `count` is below 2.
    """
    low = checks.real("low", low)
    high = checks.real("high", high, above=low)
    return np.linspace(low, high, checks.integer("count", count, at_least=2))


def loss_grid(loss: Loss, first: np.ndarray, second: np.ndarray) -> Landscape:
    """Compute `loss` at every point of a grid.

    Parameters
    ----------
    loss : callable
        Takes ``theta`` of shape (2,) and returns a scalar tensor.
    first, second : numpy.ndarray
        Values of the two parameters, shapes (columns,) and (rows,).

    Returns
    -------
    Landscape
        The loss, shape (rows, columns).

    Raises
    ------
    ValueError
        If `first` or `second` is empty or not one-dimensional.
    """
    points = _points(first, second)
    values = vmap(loss, chunk_size=_CHUNK)(points).detach().numpy()
    return Landscape(first, second, values.reshape(len(second), len(first)))


def gradient_grid(loss: Loss, first: np.ndarray, second: np.ndarray) -> GradientField:
    """Compute the gradient of `loss` at every point of a grid.

    Parameters
    ----------
    loss : callable
        Takes ``theta`` of shape (2,) and returns a scalar tensor.
    first, second : numpy.ndarray
        Values of the two parameters, shapes (columns,) and (rows,).

    Returns
    -------
    GradientField
        Both slopes, each of shape (rows, columns).

    Raises
    ------
    ValueError
        If `first` or `second` is empty or not one-dimensional.
    """
    points = _points(first, second)
    slopes = vmap(grad(loss), chunk_size=_CHUNK)(points).detach().numpy()
    slopes = slopes.reshape(len(second), len(first), 2)
    return GradientField(first, second, slopes[..., 0], slopes[..., 1])


def _points(first: np.ndarray, second: np.ndarray) -> Tensor:
    """Return every point of the grid, shape (rows * columns, 2), row by row."""
    for name, values in (("first", first), ("second", second)):
        if np.ndim(values) != 1 or len(values) == 0:
            raise ValueError(
                f"{name} must be a one-dimensional array with at least one value, "
                f"got shape {np.shape(values)}"
            )
    columns, rows = np.meshgrid(first, second)
    grid = np.stack([columns.ravel(), rows.ravel()], axis=-1)
    return torch.from_numpy(grid).to(torch.get_default_dtype())
