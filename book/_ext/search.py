"""The search leads to chapters first, and knows them by their titles."""

from __future__ import annotations

import html
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.config import Config

import order


def _weigh(app: Sphinx, config: Config) -> None:
    """Let the search weigh its finds as the book wants."""
    # By its whole path: Sphinx looks from wherever the build was started.
    config["html_search_scorer"] = str(Path(__file__).with_name("scorer.js"))


def _name_chapters(app: Sphinx) -> list[tuple[str, dict[str, object], str]]:
    """Let the index know chapters by their titles, without number and markup.

    With them no title is the one that is searched, and a chapter found by its title is
    listed twice. (The event wants pages: there are none to add.)
    """
    if isinstance(app.builder, StandaloneHTMLBuilder) and app.builder.indexer:
        titles = app.builder.indexer._titles
        for name in titles.keys() & app.env.titles.keys():
            titles[name] = html.escape(app.env.titles[name].astext(), quote=False)
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before it writes the index."""
    app.connect("config-inited", _weigh)
    app.connect("html-collect-pages", _name_chapters, priority=order.SEARCH_TITLES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
