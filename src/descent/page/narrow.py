"""Figures that are drawn twice: as wide as a page, and narrow for a phone.

A figure eight inches wide is shown on a phone at less than half its size, and so are
its letters. The same artists are therefore laid out once more on a narrow sheet,
panels below each other, letters as large as before. The page lets the browser choose
(`book/_ext/pictures.py`); a notebook that a reader runs draws the wide one only.

Belongs to :doc:`/line`, and from there on to every figure.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.cbook import Grouper
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec

from descent.page.legibility import faults
from descent.page.ticks import label_powers

__all__ = ["ASKED", "NARROW", "WIDTH", "PageFigure", "bundle", "is_asked"]

# Inches. Type of 11 points on it is 12 pixels high where a phone's page has 358.
WIDTH = 4.4

# Under this name the wide picture has the narrow one in its metadata.
NARROW = "descent_narrow"

# The variable of the environment with which the book's builder asks for it.
ASKED = "DESCENT_NARROW"

# Inches a row of panels is high at most: the only one, or one of several.
_ALONE, _STACKED = 3.2, 2.7


def is_asked() -> bool:
    """Return whether whoever runs this wants the narrow pictures, too."""
    return bool(os.environ.get(ASKED))


def bundle(picture: str, *wrong: str) -> dict[str, Any]:
    """Return the metadata by which a wide picture carries its narrow form to a page.

    Parameters
    ----------
    picture : str
        The narrow picture: an SVG, or a GIF in base64.
    *wrong : str
        What cannot be read in the wide picture or in this one.
    """
    return {NARROW: {"picture": picture, "faults": list(wrong)}}


class PageFigure(Figure):
    """A figure that has a narrow form; `descent.page.figures.new_figure` makes it.

    Attributes
    ----------
    narrow_columns : int
        How many panels stand beside each other in the narrow form.
    narrow_height : float or None
        Inches it is high; None: as its panels need.
    narrow_by_column : bool
        Whether panels follow each other column by column, instead of row by row.
    """

    narrow_columns: int = 1
    narrow_height: float | None = None
    narrow_by_column: bool = False
    _aligned: bool = False
    _align_label_groups: Any

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure, its ticks labeled and the names of its axes in line."""
        label_powers(self)
        if not self._aligned:
            self._align()
            self._aligned = True
        super().draw(renderer)

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the SVG its narrow form as metadata, where it is asked for."""
        return {}, {"image/svg+xml": self.narrow_bundle()} if is_asked() else {}

    def narrow_bundle(self) -> dict[str, Any]:
        """Return the narrow picture as SVG, as metadata of the wide one."""
        self.draw_without_rendering()
        wrong = [f"wide: {what}" for what in faults(self, at_edge=False)]
        file = io.StringIO()
        with self.narrow():
            # Before it is drawn: an SVG has other pixels, which its words remember.
            wrong += [f"narrow: {what}" for what in faults(self)]
            # Laid out it is. Maps are pixels, of which a phone has many to the inch.
            engine = self.get_layout_engine()
            self.set_layout_engine("none")
            self.savefig(file, format="svg", dpi=200, metadata={"Date": None})
            self.set_layout_engine(engine)
        return bundle(file.getvalue(), *wrong)

    @contextmanager
    def narrow(self) -> Iterator[None]:
        """Lay the figure out in its narrow form, and in the end as it was."""
        # (A color bar stands on no grid.)
        panels = [ax for ax in self.axes if ax.get_subplotspec() is not None]
        order = sorted(panels, key=_column) if self.narrow_by_column else panels
        columns = min(self.narrow_columns, len(panels))
        rows = -(-len(panels) // columns)
        height = self._narrow_height(rows, max(map(_rows, panels)))
        grid = GridSpec(rows, columns, figure=self)
        with ExitStack() as undo:
            undo.callback(self.set_size_inches, *self.get_size_inches())
            self._hand_on_names(panels, undo)
            for place, ax in enumerate(order):
                undo.callback(ax.set_subplotspec, _spec(ax))
                ax.set_subplotspec(grid[divmod(place, columns)])
            # Names that were in line are so no more; matplotlib cannot be told by its
            # public names.
            undo.callback(
                setattr, self, "_align_label_groups", self._align_label_groups
            )
            self._align_label_groups = {
                name: Grouper() for name in self._align_label_groups
            }
            self._align()
            self.set_size_inches(WIDTH, height)
            self.draw_without_rendering()
            if len(panels) < len(self.axes):
                # The room for a color bar's name is known only when its place is.
                self.draw_without_rendering()
            yield

    def _narrow_height(self, rows: int, rows_wide: int) -> float:
        """Return how high the narrow form is, in inches."""
        if self.narrow_height is not None:
            return self.narrow_height
        most = _ALONE if rows == 1 else _STACKED
        return rows * min(self.get_figheight() / rows_wide, most)

    def _align(self) -> None:
        """Put the names of the axes of a row, or of a column, in line."""
        # What keeps its shape need not be as high as its neighbors.
        self.align_labels([ax for ax in self.axes if ax.get_aspect() == "auto"])

    def _hand_on_names(self, panels: list[Axes], undo: ExitStack) -> None:
        """Give panels that share an axis with a neighbor its name and its labels."""
        for ax in panels:
            first = next(other for other in panels if _row(other) == _row(ax))
            if first is not ax and ax.get_shared_y_axes().joined(ax, first):
                shown = ax.yaxis.get_tick_params()["labelleft"]
                undo.callback(ax.tick_params, axis="y", labelleft=shown)
                undo.callback(ax.set_ylabel, ax.get_ylabel())
                ax.tick_params(axis="y", labelleft=True)
                ax.set_ylabel(ax.get_ylabel() or first.get_ylabel())


def _spec(ax: Axes) -> SubplotSpec:
    """Return the place of a panel."""
    spec = ax.get_subplotspec()
    assert spec is not None
    return spec


def _row(ax: Axes) -> int:
    return _spec(ax).rowspan.start


def _column(ax: Axes) -> int:
    return _spec(ax).colspan.start


def _rows(ax: Axes) -> int:
    """Return how many rows the grid has on which a panel stands."""
    return _spec(ax).get_gridspec().nrows
