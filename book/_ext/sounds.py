"""Sounds and pictures that a cell's HTML carries in itself become files of the site.

A notebook holds them embedded, which works wherever it is opened. In the site each
becomes a file of its own, named after its content, so that a page stays small and a
browser loads a sound when somebody plays it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

FOLDER = "_sounds"

_EMBEDDED = re.compile(r'src="data:(audio/wav|image/png);base64,([A-Za-z0-9+/=]+)"')
_ENDINGS = {"audio/wav": "wav", "image/png": "png"}


def _take_out(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Write what is embedded beside the page, and name the files instead."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    up = "../" * name.count("/")

    def file(match: re.Match[str]) -> str:
        data = base64.b64decode(match[2])
        digest = hashlib.sha256(data).hexdigest()[:24]
        path = folder / f"{digest}.{_ENDINGS[match[1]]}"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return f'src="{up}{FOLDER}/{path.name}"'

    for node in list(doctree.findall(nodes.raw)):
        if node.get("format") == "html" and "base64," in node.astext():
            text = _EMBEDDED.sub(file, node.astext())
            node.replace_self(nodes.raw(text, text, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _take_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
