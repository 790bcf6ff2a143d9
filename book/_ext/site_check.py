"""The gate: a build with any warning fails, and a site with any gap is a warning.

`jupyter-book build book` alone is as strict as it can be: whatever Sphinx warns
of, and whatever is found missing in the finished pages, makes its exit status
non-zero and names the page. After a build that failed nothing of what Sphinx had
read is trusted: the next build reads every page anew (and takes what ran from the
execution cache), so that a warning cannot be lost by building twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import order

logger = logging.getLogger(__name__)

PASSED = ".passed"

# Elements whose address the browser fetches by itself when it shows the page.
FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("audio", "src"),
    ("video", "src"),
    ("iframe", "src"),
    ("link", "href"),
}

# <link> elements that name an address without fetching it.
NAMED_ONLY = {"canonical", "next", "prev", "search", "index", "author"}


class Page(HTMLParser):
    """What the gate has to know of a page: ids, addresses, pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.images: list[dict[str, str]] = []
        self.bare: list[str] = []
        self._figures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect from one element."""
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "figure":
            self._figures += 1
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        named_only = tag == "link" and found.get("rel") in NAMED_ONLY
        for name in ("src", "href", "srcset"):
            if name in found and (tag, name) in FETCHED and not named_only:
                self.fetched.append(found[name])
        if tag == "img":
            self.images.append(found)
            if "_images/" in found.get("src", "") and not self._figures:
                self.bare.append(found["src"])

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a figure."""
        if tag == "figure":
            self._figures -= 1


def gaps(site: Path) -> Iterator[tuple[str, str]]:
    """Yield (page, what is wrong with it) for every gap in a finished site.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    """
    pages = {
        path: Page(path.read_text("utf8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for address in page.fetched:
            parts = urlsplit(address)
            if parts.netloc:
                yield name, f"asks a foreign host: {address}"
            elif parts.scheme == "data":
                continue
            elif parts.path and not _target(site, path, parts.path).exists():
                yield name, f"needs a file that is not there: {address}"
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = _target(site, path, parts.path)
            if not target.exists():
                yield name, f"dead link: {address}"
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].ids
            ):
                yield name, f"dead link, no such place on the page: {address}"
        for image in page.images:
            alt, file = image.get("alt"), Path(image.get("src", "")).name
            if alt is None or alt == file or (not alt and "_images/" in image["src"]):
                yield name, f"picture without alt text: {image.get('src')}"
        for source in page.bare:
            yield name, f"picture outside a figure, so without a caption: {source}"


def _target(site: Path, page: Path, address: str) -> Path:
    """Return the file that a relative address on a page means."""
    if not address:
        return page
    target = (page.parent / unquote(address)).resolve()
    return target / "index.html" if target.is_dir() else target


def _distrust_failed_build(app: Sphinx, config: Config) -> None:
    """Forget what an earlier build read, unless that build passed."""
    passed = Path(app.outdir).parent / PASSED
    if not passed.exists():
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)
    passed.unlink(missing_ok=True)


def _check(app: Sphinx, failure: Exception | None) -> None:
    """Check the finished pages, and let no warning pass."""
    if failure is not None:
        return
    if app.builder.name == "html":
        for page, what in gaps(Path(app.outdir)):
            logger.warning("%s: %s", page, what)
        for name in sorted(app.env.found_docs):
            if "kernelspec" in app.env.metadata[name] and not _ran(app, name):
                logger.warning("chapter %s did not run", name)
    if app._warncount:
        logger.error("The book does not pass: %d warning(s) above.", app._warncount)
        app.statuscode = 1
    else:
        (Path(app.outdir).parent / PASSED).touch()


def _ran(app: Sphinx, name: str) -> bool:
    """Return whether a chapter's cells were executed, now or from the cache."""
    run = app.env.nb_metadata[name].get("exec_data")  # type: ignore[attr-defined]
    return bool(run and run["succeeded"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx: last of all, so that nothing is written after the check."""
    app.connect("config-inited", _distrust_failed_build)
    app.connect("build-finished", _check, priority=order.SITE_CHECK)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
