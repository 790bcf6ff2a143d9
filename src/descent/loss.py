"""Losses: one number that says how wrong a prediction is.

Each function takes a prediction and a target of the same shape, and returns the
mean over all points, so that the number does not grow with the number of points.

Belongs to :doc:`/loss`.
"""

from torch import Tensor

from descent import checks

__all__ = ["huber_error", "mean_absolute_error", "mean_squared_error"]


def mean_absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of ``|prediction - target|`` (the L1 loss).

    Parameters
    ----------
    prediction, target : torch.Tensor
        Any shape, the same for both.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting (n, 1) against (n,) would silently
        compare every point with every other.
    """
    return _residual(prediction, target).abs().mean()


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of ``(prediction - target)**2`` (the L2 loss).

    Parameters
    ----------
    prediction, target : torch.Tensor
        Any shape, the same for both.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return _residual(prediction, target).square().mean()


def huber_error(prediction: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Return the mean Huber loss: squared near zero, absolute far from it.

    With the residual r, a point costs ``r**2 / 2`` where ``|r| <= delta`` and
    ``delta (|r| - delta / 2)`` elsewhere (Huber 1964).

    Parameters
    ----------
    prediction, target : torch.Tensor
        Any shape, the same for both.
    delta : float
        Where the parabola turns into a straight line.

    Returns
    -------
    torch.Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the shapes differ, or `delta` is not above 0.
    """
    delta = checks.real("delta", delta, above=0)
    size = _residual(prediction, target).abs()
    inside = size.clamp(max=delta)
    # inside * (size - inside / 2) is both branches in one formula.
    return (inside * (size - inside / 2)).mean()


def _residual(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the difference, or refuse two shapes that only broadcasting fits."""
    if prediction.shape != target.shape:
        raise ValueError(
            "prediction and target must have the same shape, got "
            f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    return prediction - target
