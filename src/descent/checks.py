"""Arguments checked once, with messages that name the argument.

Every public function of this package refuses bad input the same way: a
`ValueError` (or a `TypeError`, where the kind is wrong) that names the argument,
says what came, and says what is allowed. These helpers write that sentence.

Belongs to no chapter: whatever takes arguments stands on it.
"""

from __future__ import annotations

import math
import sys
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["integer", "is_tensor", "one_of", "real"]


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Return whether `value` is a tensor, without loading PyTorch to find out.

    Who has a tensor has loaded it. The book's builder has none, and starts one and a
    half seconds earlier for it.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def real(
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return `value` as a float if it is a finite number within the limits.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller passed.
    above, at_least, at_most : float, optional
        The limits: ``value > above``, ``value >= at_least``, ``value <= at_most``.

    Returns
    -------
    float
        The checked value.

    Raises
    ------
    TypeError
        If `value` is not a real number (a boolean is not taken for one).
    ValueError
        If `value` is not finite, or outside the limits.
    """
    limits = _limits(above, at_least, at_most)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {limits}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # a whole number or a fraction that is too large
        number = math.inf
    if (
        not math.isfinite(number)
        or (above is not None and number <= above)
        or (at_least is not None and number < at_least)
        or (at_most is not None and number > at_most)
    ):
        raise ValueError(f"{name} must be {limits}, got {value!r}")
    return number


def integer(
    name: str, value: object, *, at_least: int, at_most: int | None = None
) -> int:
    """Return `value` as an int if it is a whole number within the limits.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : object
        What the caller passed.
    at_least : int
        The smallest value allowed.
    at_most : int, optional
        The largest value allowed.

    Returns
    -------
    int
        The checked value.

    Raises
    ------
    TypeError
        If `value` is not a whole number (a boolean is not taken for one).
    ValueError
        If `value` is outside the limits.
    """
    error: type[Exception] = TypeError
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if number >= at_least and (at_most is None or number <= at_most):
            return number
        error = ValueError
    limits = f"of at least {at_least}"
    if at_most is not None:
        limits = f"from {at_least} to {at_most}"
    raise error(f"{name} must be a whole number {limits}, got {value!r}")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of the `allowed` words.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : str
        What the caller passed.
    allowed : tuple of str
        The words to choose from.

    Returns
    -------
    str
        The checked value.

    Raises
    ------
    ValueError
        If `value` is none of them.
    """
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"{name} must be one of {words}, got {value!r}")
    return value


def _limits(above: float | None, at_least: float | None, at_most: float | None) -> str:
    """Say the limits of `real` in words."""
    parts = []
    if above is not None:
        parts.append(f"above {above:g}")
    if at_least is not None:
        parts.append(f"of at least {at_least:g}")
    if at_most is not None:
        parts.append(f"at most {at_most:g}" if parts else f"of at most {at_most:g}")
    return " ".join(["a finite number", " and ".join(parts)]).strip()
