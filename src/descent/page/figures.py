"""One style for every figure: colors, sizes, and the shapes that recur.

Colors are named for what they mean. The book's builder turns every one of them
into its partner for a dark page (`DARK`), so a figure uses these and no others,
besides the color map `MAP`.

Belongs to :doc:`/line`, and from there on to every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from descent.page.narrow import PageFigure

if TYPE_CHECKING:  # a build that only needs the colors need not load PyTorch
    from descent.landscape import Landscape

__all__ = [
    "BLUE",
    "DARK",
    "GREEN",
    "GRID",
    "GROUND",
    "INK",
    "MAP",
    "MUTED",
    "ON_MAP",
    "ORANGE",
    "PURPLE",
    "RATES",
    "SERIES",
    "new_figure",
    "on_dark",
    "show_landscape",
    "use_style",
]

GROUND = "#ffffff"
INK = "#1f2328"
MUTED = "#59636e"
GRID = "#d8dee4"

# Four colors that stay apart for every kind of color vision, after Okabe and Ito
# (2008), darkened until a thin line has a contrast of at least 3 : 1 on white.
BLUE = "#0072b2"
ORANGE = "#c4500c"
GREEN = "#00785a"
PURPLE = "#8e4585"
SERIES = (BLUE, ORANGE, GREEN, PURPLE)

# Learning rates, or anything else with an order: dark is high, light is low.
RATES = ("#3b0f70", "#721f81", "#b63679", "#d8456c", "#e8684a", "#c5871a")

MAP = "viridis"

# For marks on the color map, which is the same on light and dark pages: a white that
# is not the ground's and so stays white.
ON_MAP = "#fefefe"

# What each color becomes on a dark page.
DARK = {
    GROUND: "#121212",
    INK: "#e6e8eb",
    MUTED: "#a5adb5",
    GRID: "#3a4048",
    BLUE: "#5ab4f0",
    ORANGE: "#ff9356",
    GREEN: "#3fcf9f",
    PURPLE: "#dd9ad6",
    RATES[0]: "#b9a3f5",
    RATES[1]: "#d58be8",
    RATES[2]: "#f07fb8",
    RATES[3]: "#ff8399",
    RATES[4]: "#ff9d7d",
    RATES[5]: "#f2c14e",
}


def on_dark(colors: np.ndarray) -> np.ndarray:
    """Return what colors become on a dark page, with all shades between them.

    Edges of lines and letters are blends of two of the book's colors; so is what is
    drawn half transparent. Each color is read as the blend that comes nearest, and
    becomes the same blend of the partners.

    Parameters
    ----------
    colors : numpy.ndarray
        Red, green and blue, shape (colors, 3), uint8.

    Returns
    -------
    numpy.ndarray
        The same for a dark page.
    """
    shown = np.asarray(colors, dtype=float)
    light, dark = (
        np.array([[int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in names])
        for names in (DARK, DARK.values())
    )
    best = np.full(len(shown), np.inf)
    exchanged = np.empty_like(shown)
    for i in range(len(light)):
        for j in range(i):
            along = light[j] - light[i]
            share = np.clip((shown - light[i]) @ along / (along @ along), 0, 1)[:, None]
            distance = np.abs(light[i] + share * along - shown).sum(axis=1)
            # A blend with the ground (the first) is far likelier than one of two
            # colors, which only lie beside each other where lines cross.
            distance += 0 if j == 0 else 12
            better = distance < best
            best[better] = distance[better]
            exchanged[better] = (dark[i] + share * (dark[j] - dark[i]))[better]
    return np.rint(exchanged).astype(np.uint8)


# (The names of the settings are matplotlib's, and typed there one by one.)
_STYLE: Any = {
    "figure.figsize": (8.0, 4.0),
    "figure.dpi": 100,
    "figure.facecolor": GROUND,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 12,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=SERIES),
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "image.cmap": MAP,
    "font.size": 12,
    # Text as outlines: the same picture on every machine.
    "svg.fonttype": "path",
    # Without a fixed salt the ids inside an SVG differ from build to build.
    "svg.hashsalt": "descent",
}


def use_style() -> None:
    """Draw every later figure in the book's style, sharp at any zoom.

    In a notebook figures come out as SVG, and as PNG for a viewer that shows no SVG
    in a notebook it did not run; elsewhere only the style changes.
    """
    mpl.rcParams.update(_STYLE)
    if get_ipython() is not None:
        set_matplotlib_formats("svg", "png", metadata={"Date": None})


def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = 8.0,
    height: float = 4.0,
    dpi: float = 100,
    share_x: bool = False,
    share_y: bool = False,
    narrow_columns: int = 1,
    narrow_height: float | None = None,
    narrow_by_column: bool = False,
) -> tuple[PageFigure, np.ndarray]:
    """Return a figure and its axes in the book's style.

    While the book is built it is drawn twice: as it is, and narrow for phones
    (``descent.page.narrow``).

    Parameters
    ----------
    rows, columns : int
        How many axes.
    width, height : float
        Size in inches; a page is 8 wide.
    dpi : float
        Dots an inch, for animations: 8 inches at 150 are 1200 pixels.
    share_x, share_y : bool
        Whether all axes have the same limits.
    narrow_columns : int
        How many axes stand beside each other in the narrow form.
    narrow_height : float, optional
        Inches the narrow form is high; it is 4.4 wide. Otherwise, as its axes need.
    narrow_by_column : bool
        Whether axes follow each other there column by column, instead of row by row.

    Returns
    -------
    figure : descent.page.narrow.PageFigure
    axes : numpy.ndarray
        The axes, shape (rows * columns,), row by row.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(width, height),
            dpi=dpi,
            sharex=share_x,
            sharey=share_y,
            squeeze=False,
            FigureClass=PageFigure,
        )
    assert isinstance(figure, PageFigure)
    figure.narrow_columns = narrow_columns
    figure.narrow_height = narrow_height
    figure.narrow_by_column = narrow_by_column
    return figure, axes.ravel()


def show_landscape(
    ax: Axes,
    landscape: Landscape,
    *,
    names: Sequence[str] = ("slope m", "intercept b"),
    log: bool = False,
    label: str = "mean loss",
) -> None:
    """Draw a loss over two parameters as a heat map with a color bar.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    landscape : descent.landscape.Landscape
        The loss, rows on the vertical axis.
    names : sequence of str
        What the horizontal and the vertical axis are called.
    log : bool
        Whether colors follow the logarithm of the loss.
    label : str
        What the color bar is called.

    Raises
    ------
    ValueError
        If no loss is finite, or with `log` none is above 0.
    """
    shown = landscape.loss
    finite = shown[np.isfinite(shown)]
    if finite.size == 0:
        raise ValueError("landscape must have a finite loss somewhere, got none")
    low, high = finite.min(), finite.max()
    if log and high <= 0:
        raise ValueError(
            f"landscape must have a loss above 0 somewhere for log, got at most {high}"
        )
    # Clipped, because a loss of exactly 0 has no logarithm and would leave a hole.
    norm = LogNorm(max(low, high * 1e-6), high, clip=True) if log else Normalize()
    mesh = ax.pcolormesh(
        landscape.first,
        landscape.second,
        shown,
        norm=norm,
        cmap=MAP,
        shading="nearest",
        rasterized=True,
    )
    ax.grid(False)
    ax.set(xlabel=names[0], ylabel=names[1])
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    bar = figure.colorbar(mesh, ax=ax, label=label)
    bar.outline.set_visible(False)
