"""The record of a run, and the loop that leaves one.

Belongs to :doc:`/gradient`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from descent import checks
from descent.clipping import Clipper, global_norm

__all__ = ["Record", "descend"]


class Record:
    """What a training run leaves behind: plain numbers, nothing attached.

    A loss tensor drags its whole computation graph along: storing it keeps the
    graph in memory, and plotting it raises an error. A record takes the number
    out of the tensor the moment it is appended.

    Examples
    --------
    >>> record = Record()
    >>> record.append(loss=torch.tensor(2.0, requires_grad=True), grad_norm=0.5)
    >>> record["loss"]
    array([2.])
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float | np.ndarray]] = {}
        self._length = 0

    def append(self, **values: float | np.ndarray | Tensor) -> None:
        """Add one row of values, detached and copied.

        Parameters
        ----------
        **values
            A number, an array or a tensor for each column. The first row names
            the columns; every later row has the same ones, in the same shapes.

        Raises
        ------
        ValueError
            If the columns or a shape differ from the first row's, or a value is
            not made of numbers. The record is unchanged then.
        """
        row = {name: _detached(name, value) for name, value in values.items()}
        if self._length:
            if row.keys() != self._columns.keys():
                raise ValueError(
                    f"values must be {sorted(self._columns)}, got {sorted(row)}"
                )
            for name, value in row.items():
                first = np.shape(self._columns[name][0])
                if np.shape(value) != first:
                    raise ValueError(
                        f"{name} must have shape {first} as in the first row, "
                        f"got {np.shape(value)}"
                    )
        for name, value in row.items():
            self._columns.setdefault(name, []).append(value)
        self._length += 1

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one column, shape (rows, ...), float64."""
        if name not in self._columns:
            raise KeyError(f"{name!r} was not recorded; there is {sorted(self.names)}")
        return np.array(self._columns[name], dtype=np.float64)

    def __len__(self) -> int:
        return self._length

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of the first row."""
        return tuple(self._columns)


def descend(
    parameters: Iterable[Tensor],
    loss: Callable[[], Tensor],
    optimizer: Optimizer,
    steps: int,
    *,
    clip: Clipper | None = None,
    keep_theta: bool = False,
) -> Record:
    """Run the loop: gradient, clip, step; and leave a record.

    Row t of the record is the state after t steps, so that a run of `steps` steps
    leaves ``steps + 1`` rows, the first from before any step. Once the loss is no
    longer a finite number the run stops there: nothing after it means anything.

    Parameters
    ----------
    parameters : iterable of torch.Tensor
        What the optimizer moves.
    loss : callable
        Returns the loss as a scalar tensor, from the parameters as they are.
        It may draw another minibatch at every call.
    optimizer : torch.optim.Optimizer
        Any optimizer over `parameters` whose step needs no closure (`torch.optim.LBFGS`
        does).
    steps : int
        How many steps, at least 0.
    clip : Clipper, optional
        Called on the parameters between ``backward()`` and ``step()``.
    keep_theta : bool
        Whether to record a copy of all parameters at every step, too.

    Returns
    -------
    Record
        Columns ``loss`` and ``grad_norm`` (before clipping); with `clip` also
        ``threshold`` and ``clipped`` (0 or 1); with `keep_theta` also ``theta`` of
        shape (rows, number of parameters). ``grad_norm`` of the last row comes
        from a gradient that was not followed, so that row reports no clipping:
        its ``threshold`` and ``clipped`` are NaN and 0.

    Raises
    ------
    ValueError
        If `steps` is negative.
    """
    steps = checks.integer("steps", steps, at_least=0)
    weights = list(parameters)
    record = Record()
    for step in range(steps + 1):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        row: dict[str, Any]
        last = step == steps or not bool(torch.isfinite(value))
        if clip is None or last:
            row = {"loss": value, "grad_norm": global_norm(weights)}
            if clip is not None:
                row |= {"threshold": np.nan, "clipped": 0.0}
        else:
            report = clip(weights)
            row = {
                "loss": value,
                "grad_norm": report.grad_norm,
                "threshold": report.threshold,
                "clipped": float(report.clipped),
            }
        if keep_theta:
            row["theta"] = torch.cat([w.detach().flatten() for w in weights])
        record.append(**row)
        if last:
            break
        optimizer.step()
    return record


def _detached(name: str, value: float | np.ndarray | Tensor) -> float | np.ndarray:
    """Return the number or a copy of the array inside `value`, graph left behind."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.double()  # NumPy has no bfloat16
        value = value.numpy()
    try:
        array = np.array(value)
    except ValueError:  # a ragged list
        array = np.array(None)
    if array.dtype.kind not in "buif":  # NumPy would read words, and None as NaN
        raise ValueError(
            f"{name} must be a number, an array or a tensor of numbers, got {value!r}"
        )
    return float(array) if array.ndim == 0 else array.astype(np.float64)
