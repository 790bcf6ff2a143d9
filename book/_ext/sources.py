"""What a chapter's source says only to those who open the source.

In a notebook editor the source shows names in place of numbers and references. So it
says at its top where the readable chapter is, in a box of the class `source-only`,
which pages and notebooks leave out.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

import order

CLASS = "source-only"


def _leave_out(app: Sphinx, doctree: nodes.document) -> None:
    """Take the boxes out of a page."""
    for box in list(doctree.findall(nodes.Admonition)):
        if CLASS in box["classes"]:
            box.parent.remove(box)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before anything looks at what a page says."""
    app.connect("doctree-read", _leave_out, priority=order.SOURCE_ONLY)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
