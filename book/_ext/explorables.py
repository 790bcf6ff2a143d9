"""Figures to touch: the still of a cell, and beside it what brings it to life.

A cell that ends in `descent.page.explorable.explorable` leaves an SVG with data inside.
Here the data move into an element of their own after the figure's picture, and the
page gets one small script that loads the rest when a reader comes near: the modules
of `descent.page.explorable`, bundled into one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _CascadingStyleSheet, _JavaScript

import order
from descent.page.explorable.bundle import bundle, explorable_modules, style

FOLDER = "explorables"

_CARRIED = re.compile(
    r'<metadata id="explorable" class="([a-z-]+)">(.*?)</metadata>', re.DOTALL
)


def _take_out(app: Sphinx, doctree: nodes.document) -> None:
    """Take the data out of every still that carries some, and put them after it."""
    for image in list(doctree.findall(nodes.image)):
        uri: str = image["uri"]
        if "jupyter_execute" not in uri or not uri.endswith(".svg"):
            continue
        path = Path(app.env.relfn2path(uri, app.env.docname)[1])
        svg = path.read_text("utf8")
        found = _CARRIED.search(svg)
        if found is None:
            continue
        # Beside the file, not in its place: MyST-NB writes a file only once.
        still = path.with_name(f"{path.stem}-still.svg")
        still.write_text(_CARRIED.sub("", svg), "utf8")
        image["uri"] = str(Path(uri).with_name(still.name))
        box = (
            f'<div class="explorable" data-explorable="{found[1]}">'
            f'<script type="application/json">{found[2]}</script></div>'
        )
        image.parent.insert(
            image.parent.index(image) + 1, nodes.raw(box, box, format="html")
        )


def _load(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let a page load the script and the style only if it has something to touch.

    Jupyter Book puts every script and style of ``_static`` on every page, modules as
    if they were classic scripts.
    """
    wanted = doctree is not None and any(
        'class="explorable"' in node.astext() for node in doctree.findall(nodes.raw)
    )
    for files in ("script_files", "css_files"):
        context[files] = [
            file
            for file in context[files]
            if f"{FOLDER}/" not in str(getattr(file, "filename", file))
        ]
    if wanted:
        folder = f"_static/{FOLDER}"
        defer = {"defer": "defer"}
        load = _JavaScript(f"{folder}/load.js", priority=500, **defer)
        context["script_files"].append(load)
        style = _CascadingStyleSheet(f"{folder}/explorables.css", priority=500)
        context["css_files"].append(style)


def _write(app: Sphinx, failure: Exception | None) -> None:
    """Write the script that `load.js` asks for, and the style."""
    if failure is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / FOLDER
        target.mkdir(parents=True, exist_ok=True)
        script = f"window.descentExplorable = {bundle(explorable_modules())};\n"
        (target / "bundle.js").write_text(script, "utf8")
        (target / "explorables.css").write_text(style(), "utf8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before the extension that pairs pictures, at 400."""
    app.connect("doctree-read", _take_out, priority=order.EXPLORABLES)
    app.connect("html-page-context", _load, priority=order.EXPLORABLE_SCRIPTS)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
