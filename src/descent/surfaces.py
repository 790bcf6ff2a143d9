"""Surfaces with a shape: losses of two parameters, for looking at optimizers.

Each takes ``theta`` of shape (2,) and returns a scalar. They are toys: a shape
that appears somewhere in a deep network's landscape, with everything else gone.

Belongs to :doc:`/optimizers` and :doc:`/clipping`.
"""

import torch
from torch import Tensor

__all__ = ["bowl", "cliff", "ravine", "rosenbrock", "saddle"]

# The cliff's target, and how many updates lead to it.
_TARGET = 0.7
_STEPS = 50


def bowl(theta: Tensor) -> Tensor:
    """Return a round bowl, equally steep on all sides.

    ``f(u, v) = (u**2 + v**2) / 2``: curvature 1 in every direction, so that the
    gradient points straight away from the minimum.

    Parameters
    ----------
    theta : torch.Tensor
        Coordinates (u, v), shape (2,).

    Returns
    -------
    torch.Tensor
        A scalar, 0 at the origin.
    """
    u, v = theta[0], theta[1]
    return (u**2 + v**2) / 2


def ravine(theta: Tensor) -> Tensor:
    """Return a long narrow valley, 100 times steeper across than along.

    ``f(u, v) = u**2 / 20 + 5 v**2``: a quadratic of curvature 0.1 along u and 10
    along v (condition number 100), the shape on which plain gradient descent
    zigzags or creeps (Goh 2017).

    Parameters
    ----------
    theta : torch.Tensor
        Coordinates (u, v), shape (2,).

    Returns
    -------
    torch.Tensor
        A scalar, 0 at the origin.
    """
    u, v = theta[0], theta[1]
    return u**2 / 20 + 5 * v**2


def saddle(theta: Tensor) -> Tensor:
    """Return a saddle between two valleys.

    ``f(u, v) = u**2 / 2 + (v**2 - 1)**2 / 4``: seen from the origin the ground
    rises along u and falls along v, and the gradient there is zero.

    Parameters
    ----------
    theta : torch.Tensor
        Coordinates (u, v), shape (2,).

    Returns
    -------
    torch.Tensor
        A scalar, 1/4 at the saddle and 0 at the minima (0, -1) and (0, 1).
    """
    u, v = theta[0], theta[1]
    return u**2 / 2 + (v**2 - 1) ** 2 / 4


def rosenbrock(theta: Tensor) -> Tensor:
    """Return Rosenbrock's banana: a narrow valley that bends (Rosenbrock 1960).

    ``f(u, v) = (1 - u)**2 + 100 (v - u**2)**2``. Into the valley it is easy, along
    its floor it is far.

    Parameters
    ----------
    theta : torch.Tensor
        Coordinates (u, v), shape (2,).

    Returns
    -------
    torch.Tensor
        A scalar, 0 at (1, 1).
    """
    u, v = theta[0], theta[1]
    return (1 - u) ** 2 + 100 * (v - u**2) ** 2


def cliff(theta: Tensor) -> Tensor:
    """Return the loss of a one-unit recurrent network: a plain with a cliff.

    The state starts at 0.5 and is updated 50 times by ``x = sigmoid(w x + b)``
    (the unit of Pascanu, Mikolov and Bengio 2013, their Figure 6); the loss is the
    squared distance of the last state from 0.7. Small changes of w or b
    are multiplied at every one of the 50 updates, so that flat plains meet at a
    wall.

    Parameters
    ----------
    theta : torch.Tensor
        Weight and bias (w, b), shape (2,).

    Returns
    -------
    torch.Tensor
        A scalar between 0 and 0.49.
    """
    w, b = theta[0], theta[1]
    state = torch.full_like(w, 0.5)
    for _ in range(_STEPS):
        state = torch.sigmoid(w * state + b)
    return (state - _TARGET) ** 2
