"""Figures to touch: the still of a cell, and beside it what brings it to life.

A cell that ends in `descent.page.explorable.explorable` leaves an SVG with data inside.
Here the data move into a node of their own after the figure's picture, and the
page gets one small script that loads the rest when a reader comes near: those modules
of `descent.page.explorable` that the page needs, bundled into one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _CascadingStyleSheet

import order
from descent.page.explorable import take_apart
from descent.page.explorable.bundle import bundle, explorable_modules, style
from scripts_of_nodes import deferred, has

FOLDER = "explorables"

# In the metadata of a page: the names of the explorables on it.
NAMES = "explorables"


class explorable_data(nodes.General, nodes.Element):
    """The name of an explorable's module, and its data as JSON."""


def _part_data_from_still(app: Sphinx, doctree: nodes.document) -> None:
    """Put the data that a still carries into a node after it."""
    for image in list(doctree.findall(nodes.image)):
        uri: str = image["uri"]
        if "jupyter_execute" not in uri or not uri.endswith(".svg"):
            continue
        path = Path(app.env.relfn2path(uri, app.env.docname)[1])
        explorable = take_apart(path.read_text("utf8"))
        if explorable is None:
            continue
        # Beside the file, not in its place: MyST-NB writes a file only once.
        still = path.with_name(f"{path.stem}-still.svg")
        still.write_text(explorable.still, "utf8")
        image["uri"] = str(Path(uri).with_name(still.name))
        node = explorable_data(name=explorable.name, data=explorable.data)
        image.parent.insert(image.parent.index(image) + 1, node)
        app.env.metadata[app.env.docname].setdefault(NAMES, []).append(explorable.name)


def _bundle_of(page: str) -> str:
    """Return the name of the script with all that a page's explorables need."""
    return f"{page.replace('/', '-')}-bundle.js"


def _visit_data(translator: Any, node: explorable_data) -> None:
    """Write the box that `load.js` looks for; at its own address it stands alone."""
    translator.body.append(
        f'<div class="explorable" id="only-{node["name"]}" '
        f'data-explorable="{node["name"]}">'
        f'<script type="application/json">{node["data"]}</script></div>'
    )
    raise nodes.SkipNode


def _add_files(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let a page load the script and the style if it has something to touch."""
    if has(doctree, explorable_data):
        wanted = {"data-bundle": _bundle_of(name)}
        context["script_files"].append(deferred(f"{FOLDER}/load.js", **wanted))
        sheet = _CascadingStyleSheet(f"_static/{FOLDER}/explorables.css", priority=500)
        context["css_files"].append(sheet)


def _write_bundles(app: Sphinx, failure: Exception | None) -> None:
    """Write the scripts that `load.js` asks for, and the style."""
    if failure is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / FOLDER
        target.mkdir(parents=True, exist_ok=True)
        for page, metadata in app.env.metadata.items():
            if NAMES in metadata:
                start = bundle(explorable_modules(), metadata[NAMES])
                script = f"window.descentExplorable = {start};\n"
                (target / _bundle_of(page)).write_text(script, "utf8")
        (target / "explorables.css").write_text(style(), "utf8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(explorable_data, html=(_visit_data, None))
    app.connect("doctree-read", _part_data_from_still, priority=order.EXPLORABLE_DATA)
    app.connect("html-page-context", _add_files, priority=order.FILES_OF_SOME_PAGES)
    app.connect("build-finished", _write_bundles, priority=order.EXPLORABLE_BUNDLE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
