"""What a page loads: nothing that it does not use.

Jupyter Book brings extensions along whether or not a book uses them, and each puts
its scripts and styles on every page. Thebe, which would run cells in the page, even
names a foreign host, and twice, which is an error in the browser's console.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# Modules whose work on the pages is undone, and the files they would add.
UNUSED_MODULES = ("sphinx_thebe",)
UNUSED_FILES = ("sphinx-thebe.js", "sphinx-thebe.css", "design-tabs.js")


def _disconnect(app: Sphinx) -> None:
    """Let the unused extensions hear of no event any more."""
    for name, listeners in app.events.listeners.items():
        app.events.listeners[name] = [
            listener
            for listener in listeners
            if not listener.handler.__module__.startswith(UNUSED_MODULES)
        ]


def _leave_out(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Leave the unused files out of a page's head."""
    for files in ("script_files", "css_files"):
        context[files] = [
            file
            for file in context[files]
            if Path(str(getattr(file, "filename", file))).name not in UNUSED_FILES
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, after the extensions that Jupyter Book brings along."""
    _disconnect(app)
    app.connect("html-page-context", _leave_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
