"""Figures to touch: a still made by a cell, and the data for its moving twin.

A cell draws a figure as any other and hands over the numbers behind it. The figure is
what stands on the page without JavaScript and on paper; with JavaScript one of the
small ES modules in this folder takes its place, in the book and in a live notebook,
and computes from the same numbers. So the data are always those that the chapter's
own cells have made.

Belongs to :doc:`/loss`, and from there on to whatever can be touched.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from descent import checks
from descent.page import narrow
from descent.page.explorable.bundle import (
    bundle,
    explorable_modules,
    explorable_names,
    style,
)

__all__ = ["Explorable", "explorable", "take_apart"]

# Between these, in an SVG, stand an explorable's name and data.
_NAME, _DATA, _END = '<metadata id="explorable" class="', '">', "</metadata>"


class Explorable:
    """A still with data; :func:`explorable` makes it, a cell's last line shows it.

    Attributes
    ----------
    name : str
        Which module brings it to life.
    data : str
        The data as JSON, NaN as null.
    still : str
        The still as SVG.
    svg : str
        The still, with name and data inside, where the book's builder finds them.
    beside : dict
        Metadata of the SVG: the still for phones, where it is asked for.
    """

    def __init__(
        self,
        name: str,
        data: str,
        picture: str,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.beside = dict(beside or {})
        self.data = data
        self.still = picture
        head = picture.index(">", picture.index("<svg")) + 1
        carried = f"{_NAME}{name}{_DATA}{data}{_END}"
        self.svg = picture[:head] + carried + picture[head:]

    def __repr__(self) -> str:
        return f"Figure to touch: {self.name}"

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Hand on what stands beside the two forms below."""
        return {}, {"image/svg+xml": self.beside} if self.beside else {}

    def _repr_svg_(self) -> str:
        """Show the still: what the book's builder takes."""
        return self.svg

    def _repr_html_(self) -> str:
        """Show what can be touched: what a notebook takes.

        All that it needs is inside, since a notebook has no address to load from. A
        viewer that runs no scripts shows the still, and what to do.
        """
        still = base64.b64encode(self.still.encode()).decode()
        start = bundle(explorable_modules(), [self.name])
        box = f'.ex-notebook .explorable[data-explorable="{self.name}"]:not(.ex-live)'
        return (
            f"<style>{style()}</style>"
            '<figure class="ex-notebook">'
            f'<img alt="{self!r}" src="data:image/svg+xml;base64,{still}">'
            '<p class="ex-asleep">Run this cell to touch the figure.</p>'
            f'<div class="explorable" data-explorable="{self.name}">'
            f'<script type="application/json">{self.data}</script></div></figure>'
            f"<script>document.querySelectorAll('{box}').forEach({start});</script>"
        )


def explorable(name: str, still: Figure, **data: object) -> Explorable:
    """Return a figure that a reader of the book can touch.

    Parameters
    ----------
    name : str
        The module in this folder, without its ending. A page has at most one of each
        name: its state stands in the page's address under it.
    still : matplotlib.figure.Figure
        What is shown where nothing can be touched, and until it can. It is closed.
    **data
        What the module gets: numbers, words, arrays, tensors, and lists and
        mappings of them.

    Returns
    -------
    Explorable
        To be the last expression of its cell.

    Raises
    ------
    TypeError
        If `still` is not a figure, or something in the data is of another kind.
    ValueError
        If there is no module `name`.
    """
    if not isinstance(still, Figure):
        raise TypeError(f"still must be a matplotlib figure, got {still!r}")
    if name not in explorable_names():
        allowed = ", ".join(explorable_names())
        raise ValueError(f"name must be one of {allowed}, got {name!r}")
    text = json.dumps(_plain("data", data), separators=(",", ":"))
    # Infinity is written as a number that is too large, which every reader of JSON
    # turns into infinity. Words are matched first, and stay as they are.
    text = re.sub(
        r'"(?:[^"\\]|\\.)*"|Infinity',
        lambda word: "1e999" if word[0] == "Infinity" else word[0],
        text,
    )
    # These letters are kept from ending the element around them.
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    file = io.StringIO()
    still.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    beside = {}
    if narrow.is_asked() and isinstance(still, narrow.PageFigure):
        beside = still.narrow_bundle()
    plt.close(still)
    return Explorable(name, text, file.getvalue(), beside)


def take_apart(svg: str) -> Explorable | None:
    """Return what an SVG carries.

    Parameters
    ----------
    svg : str
        Any SVG.

    Returns
    -------
    Explorable or None
        The one of which it is the ``svg``; None if it is of none.
    """
    before, carries, rest = svg.partition(_NAME)
    if not carries:
        return None
    name, _, rest = rest.partition(_DATA)
    data, _, after = rest.partition(_END)
    return Explorable(name, data, before + after)


def _plain(name: str, value: object) -> Any:
    """Return `value` as JSON can hold it; `name` is for the message."""
    if checks.is_tensor(value):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype == np.float32:
            # As few digits as tell it from every other number of 32 bits.
            value = value.astype(np.str_).astype(np.float64)
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}[{key!r}]", v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(f"{name}[{i}]", v) for i, v in enumerate(value)]
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name} must be numbers, words or arrays, got {value!r}")
