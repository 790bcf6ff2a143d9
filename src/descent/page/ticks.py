"""Ticks that can be read: powers of ten in plain letters, never one on top of another.

Matplotlib writes the powers of a logarithmic axis with small raised digits, which are
lost on a phone, and labels every tick of an axis that spans less than a decade. Here
an axis gets as many labels as it needs, all in letters of one size.

Belongs to :doc:`/line`, and from there on to every figure.
"""

from __future__ import annotations

import math

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    Formatter,
    LogFormatterSciNotation,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

__all__ = ["label_powers", "power"]

# So many labels an axis has at least, if its decades give them.
_WANTED = 3

# Which multiples of the powers of ten are labeled, if those before give too few.
_MULTIPLES = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float) -> str:
    """Return a number as a tick of a logarithmic axis says it.

    Parameters
    ----------
    value : float
        The tick's place, above 0.

    Returns
    -------
    str
        Such as ``0.001``, ``30``, ``10⁻⁵`` and ``3 × 10⁶``.
    """
    exponent = math.floor(math.log10(value) + 1e-9)
    if -4 < exponent < 4:
        return f"{value:g}"
    front = f"{value / 10.0**exponent:.3g}"
    raised = f"10{str(exponent).translate(_RAISED)}"
    return raised if front == "1" else f"{front} × {raised}"


class _Powers(Formatter):
    """Marks an axis whose ticks are ours to choose."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick."""
        return power(x)


def label_powers(figure: Figure) -> None:
    """Label the logarithmic axes of a figure, where nobody has labeled them otherwise.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, with its limits as they will be drawn.
    """
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            formatter = axis.get_major_formatter()
            if axis.get_scale() == "log" and isinstance(
                formatter, LogFormatterSciNotation | _Powers
            ):
                axis.set_minor_formatter(NullFormatter())
                if isinstance(axis.get_major_locator(), LogLocator | MaxNLocator):
                    axis.set_major_locator(_locator(axis))
                axis.set_major_formatter(_Powers())


def _locator(axis: Axis) -> LogLocator | MaxNLocator:
    """Return what chooses the ticks: powers of ten, and between them if need be."""
    low, high = sorted(axis.get_view_interval())
    for multiples in _MULTIPLES:
        locator = LogLocator(subs=multiples)
        inside = [
            tick for tick in locator.tick_values(low, high) if low <= tick <= high
        ]
        if len(inside) >= _WANTED:
            return locator
    return MaxNLocator(4)
