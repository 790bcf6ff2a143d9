"""Figures to touch: a still made by a cell, and the data for its moving twin.

A cell draws a figure as any other and hands over the numbers behind it. A notebook
shows the figure. In the book the figure is what stands on the page without
JavaScript and on paper; with JavaScript a small module from the book's folder
``_static/explorables`` takes its place, and computes from the same numbers. So the
data are always those that the chapter's own cells have made.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

__all__ = ["Explorable", "explorable"]

_NAME = re.compile(r"[a-z]+(-[a-z]+)*")


class Explorable:
    """A still with data; `explorable` makes it, a cell's last line shows it.

    Attributes
    ----------
    name : str
        Which module brings it to life.
    data : str
        The data as JSON, NaN as null.
    svg : str
        The still, with name and data inside, where the book's builder finds them.
    """

    def __init__(self, name: str, data: str, picture: str) -> None:
        self.name = name
        self.data = data
        head = picture.index(">", picture.index("<svg")) + 1
        carried = f'<metadata id="explorable" class="{name}">{data}</metadata>'
        self.svg = picture[:head] + carried + picture[head:]

    def __repr__(self) -> str:
        return f"Figure to touch: {self.name}"

    def _repr_svg_(self) -> str:
        """Show the still."""
        return self.svg


def explorable(name: str, still: Figure, **data: object) -> Explorable:
    """Return a figure that a reader of the book can touch.

    Parameters
    ----------
    name : str
        The module in ``book/_static/explorables``, without its ending. A page has
        at most one of each name: its state stands in the page's address under it.
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
        If `name` is not made of small letters and hyphens.
    """
    if not isinstance(still, Figure):
        raise TypeError(f"still must be a matplotlib figure, got {still!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"name must be small letters and hyphens, got {name!r}")
    # Infinity is written as a number that is too large, which every reader of JSON
    # turns into infinity; the letters are kept from ending the element around them.
    text = json.dumps(_plain("data", data), separators=(",", ":"))
    text = text.replace("-Infinity", "-1e999").replace("Infinity", "1e999")
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    file = io.StringIO()
    still.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(still)
    return Explorable(name, text, file.getvalue())


def _plain(name: str, value: object) -> Any:
    """Return `value` as JSON can hold it; `name` is for the message."""
    if isinstance(value, Tensor):
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
