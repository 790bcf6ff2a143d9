"""Scripts for those pages alone that have what they bring to life."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript


def has(doctree: nodes.document | None, kind: type[nodes.Node]) -> bool:
    """Return whether a page has a node of a kind; a page without cells may be none."""
    return doctree is not None and next(doctree.findall(kind), None) is not None


def deferred(file: str, **attributes: str) -> _JavaScript:
    """Return a script of ``_static`` that waits until the page is read."""
    return _JavaScript(f"_static/{file}", priority=500, defer="defer", **attributes)


def script_for(kind: type[nodes.Node], file: str) -> Callable[..., None]:
    """Return a handler of ``html-page-context``: pages with such nodes load a script.

    Parameters
    ----------
    kind : type
        The class of the nodes.
    file : str
        The script, below ``_static``.
    """

    def add(
        app: Sphinx,
        name: str,
        template: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        if has(doctree, kind):
            context["script_files"].append(deferred(file))

    return add
