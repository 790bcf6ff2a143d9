"""Tables that a reader can sort and filter, and that are whole without a script.

The table is plain HTML. A small script makes its heads buttons and adds a field above
it, on the page and in a live notebook; where no script runs every row is still there.

Belongs to :doc:`/published`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from descent import checks

__all__ = ["SortableTable", "sortable_table"]


class SortableTable:
    """A table as HTML; :func:`sortable_table` makes it, a cell's last line shows it."""

    def __init__(self, markup: str) -> None:
        self._markup = markup

    def __repr__(self) -> str:
        return "Table to sort and filter"

    def _repr_html_(self) -> str:
        """Show the table: whole, and with what lets it be sorted."""
        return self._markup


def sortable_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str | Callable[[Mapping[str, Any]], str]],
    *,
    caption: str,
    links: Mapping[str, str] | None = None,
) -> SortableTable:
    """Return rows as a table that a reader can sort and filter.

    Parameters
    ----------
    rows : sequence of mapping
        The table's rows, in the order in which they are shown at first.
    columns : mapping
        By the head of each column the key of its value in a row, or a function of a
        row that returns the text. The first column names the row. None is left empty
        and sorted last; numbers are sorted as numbers.
    caption : str
        What the table holds.
    links : mapping, optional
        By the head of a column the key of an address that its text leads to.

    Returns
    -------
    SortableTable
        To be the last expression of its cell.

    Raises
    ------
    ValueError
        If there are no rows or no columns, or `links` names no column.
    KeyError
        If a row lacks a key.
    """
    checks.integer("len(rows)", len(rows), at_least=1)
    checks.integer("len(columns)", len(columns), at_least=1)
    links = links or {}
    for head in links:
        checks.one_of("links", head, tuple(columns))
    lines = []
    for row in rows:
        cells = []
        for place, (head, content) in enumerate(columns.items()):
            value = content(row) if callable(content) else row[content]
            text = "" if value is None else f"{value:g}" if _real(value) else str(value)
            shown = html.escape(text)
            if head in links and text:
                address = html.escape(str(row[links[head]]), quote=True)
                shown = f'<a href="{address}">{shown}</a>'
            # Not the text, which is rounded.
            exact = f' data-value="{value!r}"' if _real(value) else ""
            kind = 'th scope="row"' if place == 0 else "td"
            cells.append(f"<{kind}{exact}>{shown}</{kind[:2]}>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in columns)
    folder = files("descent.page")
    script = (folder / "table.js").read_text("utf8")
    style = (folder / "table.css").read_text("utf8")
    title = html.escape(caption, quote=True)
    return SortableTable(
        f'<style>{style}</style><div class="sortable">'
        f'<div class="sortable-scroll" tabindex="0" role="region" aria-label="{title}">'
        f"<table><caption><span>{title}</span></caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div></div>"
        "<script>document.querySelectorAll('.sortable:not([data-live])').forEach("
        f"(box) => {{ box.dataset.live = ''; ({script.strip()})(box); }});</script>"
    )


def _real(value: object) -> bool:
    """Return whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)
