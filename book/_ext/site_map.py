"""What search engines and lost readers get: the map of the site, and its page 404.

(sphinx-sitemap lists what this build has written; after an edit that is one page.)
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import order


def _add_page_not_found(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page that a server sends for an address that leads nowhere."""
    yield "404", {}, "404.html"


def _write_map(app: Sphinx, failure: Exception | None) -> None:
    """List the pages of the book."""
    if failure is not None or app.builder.format != "html":
        return
    site, base = Path(app.outdir), app.config.html_context["site_url"]
    files = [app.builder.get_target_uri(name) for name in sorted(app.env.found_docs)]
    urls = "".join(
        f"<url><loc>{escape(base + file)}</loc></url>\n"
        for file in files
        if (site / file).exists()
    )
    (site / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        "utf8",
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("html-collect-pages", _add_page_not_found)
    app.connect("build-finished", _write_map, priority=order.SITE_MAP)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
