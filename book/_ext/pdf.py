"""The landing page leads to the whole book as one PDF, if there is one.

`tools/make-pdf` prints the built site. If it has done so, the page has a link; else
it has a place for one, which `tools/make-pdf` asks for here.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

import order

FILE = "descent.pdf"
PLACE = "<!-- pdf -->"
LINK = f'<p><a href="{FILE}">The whole book as one PDF</a></p>'


def add_link(site: Path) -> None:
    """Put the link on the landing page of a finished site.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages, and the PDF among them.
    """
    page = site / "index.html"
    page.write_text(page.read_text("utf8").replace(PLACE, LINK), "utf8")


def _add_place(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """End the landing page with the link, or with the place for it."""
    if name == app.config.root_doc:
        text = LINK if (Path(app.outdir) / FILE).exists() else PLACE
        doctree += nodes.raw(text, text, format="html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _add_place, priority=order.PDF_PLACE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
