"""Whether the words of a figure can be read: looked for while it is drawn.

A picture that lies on a page is checked by no compiler: that two labels lie on each
other, or that an axis has a single tick, only shows to somebody who looks. Here each
figure is asked where its words are.

Belongs to :doc:`/line`, and from there on to every figure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

__all__ = ["faults", "smallest_letters"]

# Letters do not fill their box: so much of its height is empty above and below them,
# and a box is no wider than its letters.
_AIR = 0.14

# How many times as long as its axis a name may be.
_NAME = 1.1

# Pixels that words may reach over the edge.
_EDGE = 2.0


def faults(figure: Figure, *, at_edge: bool = True) -> list[str]:
    """Return what cannot be read in a figure as it was last laid out.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, drawn before.
    at_edge : bool
        Whether words that leave the picture are named: not where it grows with them.

    Returns
    -------
    list of str
        For each fault what it is, with the words.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    wrong, shown, of_ticks = [], [], set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                of_ticks |= {tick.label1, tick.label2}
            if ax.get_visible() and ax.axison and axis.get_visible():
                labels = list(_labels(axis))
                if len(labels) == 1:
                    wrong.append(f"{_name(axis)} has one tick, {_said(labels[0])}")
                name, side = axis.label, "width" if axis is ax.xaxis else "height"
                longest = _NAME * getattr(ax.get_window_extent(), side)
                if getattr(name.get_window_extent(renderer), side) > longest:
                    wrong.append(f"{_name(axis)} is shorter than its name")
                shown += labels
    shown += [text for text in _texts(figure) if text not in of_ticks]
    boxes = [text.get_window_extent(renderer) for text in shown]
    # Words that are turned by anything but a quarter do not fill their box.
    straight = [
        (text, _inner(box))
        for text, box in zip(shown, boxes, strict=True)
        if text.get_rotation() % 90 == 0
    ]
    for (one, here), (other, there) in itertools.combinations(straight, 2):
        if here.overlaps(there):
            wrong.append(f"{_said(one)} lies on {_said(other)}")
    if at_edge:
        edge = figure.bbox.padded(_EDGE)
        for text, box in zip(shown, boxes, strict=True):
            if not (edge.contains(*box.min) and edge.contains(*box.max)):
                wrong.append(f"{_said(text)} leaves the picture")
    return wrong


def smallest_letters(figure: Figure) -> float:
    """Return the size of a figure's smallest letters, in points.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, drawn before.
    """
    return min(
        (float(text.get_fontsize()) for text in _texts(figure)), default=math.inf
    )


def _texts(figure: Figure) -> list[Text]:
    """Return a figure's words, as far as they are shown."""
    texts: list[Any] = figure.findobj(Text)
    return [t for t in texts if t.get_visible() and t.get_text().strip()]


def _labels(axis: Axis) -> Iterator[Text]:
    """Yield the labels of an axis's ticks that are seen."""
    seen = axis.get_transform().transform
    low, high = sorted(seen(axis.get_view_interval()))
    room = (high - low) * 1e-6
    for tick in axis.get_major_ticks():
        if low - room <= seen(tick.get_loc()) <= high + room:
            for label in (tick.label1, tick.label2):
                if label.get_visible() and label.get_text().strip():
                    yield label


def _name(axis: Axis) -> str:
    """Return what an axis is called."""
    title = axis.axes.get_title("left").strip()
    return f"the axis {axis.get_label_text()!r}" + (f" of {title!r}" if title else "")


def _said(text: Text) -> str:
    return repr(text.get_text().strip())


def _inner(box: Bbox) -> Bbox:
    """Return the part of a text's box that its letters fill."""
    air = _AIR * min(box.height, box.width)
    return Bbox.from_extents(
        box.x0 + air / 2, box.y0 + air, box.x1 - air / 2, box.y1 - air
    )
