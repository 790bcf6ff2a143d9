"""Sounds and pictures that a cell's HTML carries in itself become files of the site.

A notebook holds them embedded, which works wherever it is opened. In the site each
becomes a file of its own, named after its content, so that a page stays small and a
browser loads a sound when somebody plays it.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx

import order

FOLDER = "_sounds"

_ENDINGS = {"data:audio/wav;base64": "wav", "data:image/png;base64": "png"}


def _move_to_files(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Write what is embedded beside the page, and name the files instead."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    up = "../" * name.count("/")

    for node in list(doctree.findall(nodes.raw)):
        if node.get("format") != "html" or "base64," not in node.astext():
            continue
        fragment = BeautifulSoup(node.astext(), "html.parser")
        for element in fragment.select("[src]"):
            kind, _, content = str(element["src"]).partition(",")
            if kind in _ENDINGS:
                data = base64.b64decode(content)
                digest = hashlib.sha256(data).hexdigest()[:24]
                path = folder / f"{digest}.{_ENDINGS[kind]}"
                if not path.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                element["src"] = f"{up}{FOLDER}/{path.name}"
        text = str(fragment)
        node.replace_self(nodes.raw(text, text, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _move_to_files, priority=order.SOUNDS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
