"""What an earlier build left and the book has no more leaves the site.

Sphinx writes pages and never takes one away. After every build the site is compared
with the book: pages, their sources and notebooks stay if the book has the chapter,
styles and scripts if it has the file; pictures, sounds and downloads stay if something
in the site names them; a printed book stays until a page is read anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import order
from execution import shown_runs
from pdf import FILE, LINK, PLACE

logger = logging.getLogger(__name__)

# Folders of files that pages name, and what a name of one looks like.
ASSETS = ("_images", "_sounds", "_downloads")
# Written at the end of every build.
NOT_FOUND = "404.html"

_NAMED = re.compile(rf"(?:{'|'.join(ASSETS)})/([^\"'\s<>)?#&\\]+)")


def unnamed_assets(site: Path) -> Iterator[Path]:
    """Yield the pictures, sounds and downloads that nothing in the site names.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    """
    named: set[str] = set()
    for pattern in ("*.html", "*.ipynb", "*.xml", "*.json"):
        for path in site.rglob(pattern):
            named.update(_NAMED.findall(path.read_text("utf8")))
    for folder in ASSETS:
        for path in (site / folder).rglob("*"):
            name = path.relative_to(site / folder).as_posix()
            if path.is_file() and name not in named:
                yield path


def _note_page(app: Sphinx, name: str, *_: Any) -> None:
    """Remember that a page was written in this build."""
    _written(app).add(name)


def _written(app: Sphinx) -> set[str]:
    """Return the pages that this build has written so far."""
    if not hasattr(app, "descent_written"):
        app.descent_written = set()  # type: ignore[attr-defined]
    return app.descent_written  # type: ignore[attr-defined]


def _left_pages(app: Sphinx, site: Path) -> Iterator[Path]:
    """Yield the pages of chapters that the book has no more, and what is theirs."""
    chapters = app.env.found_docs
    pages = {site / app.builder.get_target_uri(n) for n in chapters | _written(app)}
    pages.add(site / NOT_FOUND)
    for path in site.rglob("*.html"):
        if "_static" not in path.relative_to(site).parts and path not in pages:
            yield path
    for folder, names in (
        ("_sources", chapters),
        ("notebooks", set(shown_runs(app.env))),
        ("live", set(shown_runs(app.env))),
    ):
        for path in (site / folder).rglob("*"):
            name = path.relative_to(site / folder).as_posix()
            source = folder == "_sources" or path.suffix == ".ipynb"
            if path.is_file() and source and name.partition(".")[0] not in names:
                yield path


def _left_styles(app: Sphinx, site: Path) -> Iterator[Path]:
    """Yield the styles, scripts, fonts that an earlier build took from the book."""
    noted = Path(app.doctreedir) / "static.txt"
    own = app.srcdir / "_static"
    names = {p.relative_to(own).as_posix() for p in own.rglob("*") if p.is_file()}
    before = noted.read_text("utf8").splitlines() if noted.exists() else []
    noted.write_text("\n".join(sorted(names)), "utf8")
    for name in before:
        path = site / "_static" / name
        if name not in names and path.exists():
            yield path


def _is_old(app: Sphinx, printed: Path) -> bool:
    """Return whether some page was read anew after the book was printed."""
    return any(
        doctree.stat().st_mtime > printed.stat().st_mtime
        for doctree in Path(app.doctreedir).rglob("*.doctree")
    )


def _clear(app: Sphinx, failure: Exception | None) -> None:
    """Take away what is left over."""
    if failure is not None or app.builder.format != "html":
        return
    if not _written(app):
        return  # Nothing has changed, and Sphinx's own pages were not written either.
    site = Path(app.outdir)
    left = [*_left_pages(app, site), *_left_styles(app, site)]
    if (site / FILE).exists() and _is_old(app, site / FILE):
        left.append(site / FILE)
        first = site / app.builder.get_target_uri(app.config.root_doc)
        first.write_text(first.read_text("utf8").replace(LINK, PLACE), "utf8")
    for path in left:
        path.unlink()
    for path in unnamed_assets(site):
        path.unlink()
        left.append(path)
    if left:
        logger.info("%d file(s) of earlier builds left the site.", len(left))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx: before anything looks at the whole site."""
    app.connect("html-page-context", _note_page)
    app.connect("build-finished", _clear, priority=order.LEFTOVERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
