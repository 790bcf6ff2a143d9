"""What can be searched: every section of every page, as readers see it.

Sphinx's index knows pages, not sections, and not how often a word stands where. Here
each section, each word of the glossary, each work and each function is a place of its
own with its text; `search.js` ranks them and cuts its excerpts from them, also from a
folder, where a page cannot ask for another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.search.en import SearchEnglish

import order

INDEX = "searchindex.js"

# What begins a place, if it has an id.
PLACES = "section, dt, div.citation"
# What readers do not read, or only after they have opened it.
UNREAD = (
    "script, style, noscript, button, [popover], details.hide, .headerlink, .solution,"
    " .reading-time, .backlinks, .fn-bracket, .label, .film-controls"
)
BLOCKS = frozenset(
    {
        *("article", "section", "div", "p", "pre", "figcaption", "li", "dt", "dd"),
        *("tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6"),
    }
)


def places(html: str) -> list[tuple[str, str, str, str]]:
    """Return the places of a page: their id, title, text, and code with what it prints.

    Parameters
    ----------
    html : str
        The page. What stands before its first section with a heading of its own, or
        its first term, belongs to the page itself, whose id is "".
    """
    article = LexborHTMLParser(html).css_first("article.bd-article")
    if article is None:
        return []
    for node in article.css(UNREAD):
        node.decompose()
    kept: list[tuple[str, list[str], list[str], list[str]]] = []
    starts = {node.mem_id for node in article.css(PLACES) if node.attributes.get("id")}
    for node in article.traverse(include_text=True):
        if node.mem_id in starts:
            # The page's own section is the page.
            place = str(node.attributes["id"]) if kept else ""
            kept.append((place, [], [], []))
        elif node.tag == "-text" and kept:
            _, title, text, code = kept[-1]
            block = _block_of(node)
            if _is_title(block, starts):
                title.append(node.text())
            else:
                (code if block and block.tag == "pre" else text).append(node.text())
        if node.tag in BLOCKS and kept:
            for parts in kept[-1][2:]:
                parts.append(" ")
    return [
        (place, _join(title), _join(text), _join(code))
        for place, title, text, code in kept
    ]


def _block_of(text: LexborNode) -> LexborNode | None:
    """Return the block that a text stands in."""
    node = text.parent
    while node is not None and node.tag not in BLOCKS:
        node = node.parent
    return node


def _is_title(node: LexborNode | None, starts: set[int]) -> bool:
    """Return whether a block is a heading, a term or a function's name."""
    return node is not None and (
        re.fullmatch("h[1-6]", node.tag or "") is not None
        or (node.tag == "dt" and node.mem_id in starts)
    )


def _join(parts: list[str]) -> str:
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def _leave_out_sphinx(app: Sphinx) -> None:
    """Let Sphinx make no index, and no page for one."""
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.search = False


def _add_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page with the field and the results."""
    yield "search", {}, "search.html"


def _write_index(app: Sphinx, failure: Exception | None) -> None:
    """Write all places, and how words of English are cut to their stems."""
    if failure is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    index = [
        {"page": name, "title": found[0][1], "places": found}
        for name in sorted(app.env.found_docs)
        if (found := places((site / f"{name}.html").read_text("utf8")))
    ]
    # No text is to look like an address that a script asks for.
    pages = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    pages = re.sub(r"\b(https?:)?//", "", pages.replace('\\"', "\\u0022"))
    stopwords = json.dumps(sorted(SearchEnglish.stopwords))
    (site / INDEX).write_text(
        f"{SearchEnglish.js_stemmer_code}\n"
        f"var BOOK = {{stopwords: {stopwords}, pages: {pages}}};\n",
        "utf8",
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", _leave_out_sphinx)
    app.connect("html-collect-pages", _add_page)
    app.connect("build-finished", _write_index, priority=order.SEARCH_INDEX)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
