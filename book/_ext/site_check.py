"""The gate: a build with any warning fails, and a site with any gap is a warning.

`jupyter-book build book` alone is as strict as it can be: whatever Sphinx warns
of, and whatever is found missing in the finished pages, makes its exit status
non-zero and names the page. After a build that failed nothing of what Sphinx had
read is trusted: the next build reads every page anew (and takes what ran from the
execution cache), so that a warning cannot be lost by building twice.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image
from selectolax.lexbor import LexborHTMLParser
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import order
from other_hosts import (
    ADDRESSES,
    LIVE_POLICY,
    PAGES,
    POLICY,
    RASTERS,
    STYLES,
    Reader,
    css_addresses,
)
from picture_check import says_nothing

logger = logging.getLogger(__name__)

PASSED = ".passed"

# Attributes with an address, on any element. (That none of them is another host's is
# for `other_hosts` to say.)
LISTS = {"srcset": ",", "imagesrcset": ",", "ping": " "}

# Attributes that name elements of the same page by their ids.
REFERENCES = frozenset(
    {
        *("aria-controls", "aria-describedby", "aria-details", "aria-labelledby"),
        *("aria-owns", "for", "headers", "list", "usemap"),
    }
)


class Page:
    """What has to be known of a page: ids, addresses, pictures.

    Parameters
    ----------
    text : str
        The page.

    Attributes
    ----------
    ids : collections.Counter
        How often each id is there.
    addresses : list of (str, str)
        Of every element with an address: the attribute's place, and the address.
    references : list of (str, str)
        The same for what names an id of this page.
    images : list of dict
        The attributes of each picture, and whether it is in a "figure".
    icon : bool
        Whether it has one for the browser's tab.
    policy : bool
        Whether its first script or address comes after the policy.
    """

    def __init__(self, text: str) -> None:
        self.ids: Counter[str] = Counter()
        self.addresses: list[tuple[str, str]] = []
        self.references: list[tuple[str, str]] = []
        self.images: list[dict[str, str]] = []
        self.icon = False
        self.policy = False
        started = False
        root = LexborHTMLParser(text).root
        if root is None:
            return
        for node in root.traverse():
            tag = (node.tag or "").lower()
            found = {key.lower(): value or "" for key, value in node.attributes.items()}
            if "id" in found:
                self.ids[found["id"]] += 1
            if tag == "a" and found.get("name"):
                self.ids[found["name"]] += 0
            for key, value in found.items():
                if key in LISTS:
                    for part in value.split(LISTS[key]):
                        self.addresses.append((f"{tag} {key}", part.split()[0]))
                elif key.removeprefix("xlink:") in ADDRESSES and not (
                    tag == "object" and key == "classid"
                ):
                    self.addresses.append((f"{tag} {key}", value.strip()))
                elif key in REFERENCES:
                    named = value.lstrip("#").split()
                    self.references += [(f"{tag} {key}", name) for name in named]
            if tag == "img":
                inside = node.parent
                while inside is not None and inside.tag != "figure":
                    inside = inside.parent
                self.images.append({**found, "figure": "yes" if inside else ""})
            rel = found.get("rel", "").lower().split()
            self.icon |= tag == "link" and "icon" in rel and bool(found.get("href"))
            if found.get("http-equiv", "").lower() == "content-security-policy":
                self.policy = not started
            started |= tag in {"script", "link", "style", "img"}


class Files:
    """The files of a site by their exact names, on every file system.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    """

    def __init__(self, site: Path) -> None:
        self.site = site
        self.names = {
            path.relative_to(site).as_posix(): path
            for path in sorted(site.rglob("*"))
            if path.is_file()
        }
        self._folded = {name.casefold(): name for name in self.names}

    def find(self, page: str, address: str, own: str) -> tuple[str, str]:
        """Return the file that an address on a page means, and why there is none.

        Parameters
        ----------
        page : str
            The name of the page.
        address : str
            An address without a place on the page.
        own : str
            Where the book is published: such addresses are the site's, too.
        """
        path = unquote(urlsplit(address).path)
        if own and address.startswith(own):
            name = unquote(urlsplit(address).path)[len(urlsplit(own).path) :]
        elif not path:
            return page, ""
        elif path.startswith("/"):
            return "", "starts at the root of the host, where the book need not lie"
        else:
            name = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
            if path.endswith("/") and name != ".":
                name += "/"
        if name.startswith("../") or name == "..":
            return "", "leads out of the book"
        if name in {"", "."}:
            name = "index.html"
        if name.endswith("/"):
            name += "index.html"
        if name in self.names:
            return name, ""
        if f"{name}/index.html" in self.names:
            return f"{name}/index.html", ""
        if (other := self._folded.get(name.casefold())) is not None:
            return "", f"is spelled otherwise: {other}"
        if any(
            known.startswith(f"{name.removesuffix('index.html')}".rstrip("/") + "/")
            for known in self.names
        ):
            return "", "is a folder without a page of its own"
        return "", "is not there"


def gaps(site: Path, own: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (file, what is wrong, where to look for it) for every gap in a site.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    own : str
        The address at which it is published, with a slash at its end, or "".
    """
    files = Files(site)
    reader = Reader(own)
    for name, path in files.names.items():
        for place, what in reader.file(path):
            yield name, f"asks another host, in {place}: {what}", what
        if path.suffix in RASTERS and (fault := _unseen(path)):
            yield name, fault, path.name
    pages = {
        name: Page(path.read_text("utf8", errors="replace"))
        for name, path in files.names.items()
        if path.suffix in PAGES
    }
    for name, page in pages.items():
        yield from _gaps_of_page(name, page, pages, files, own)
    for name, path in files.names.items():
        if path.suffix in STYLES:
            for address in css_addresses(path.read_text("utf8", errors="replace")):
                if not _OUTSIDE.match(address) and not address.startswith("#"):
                    _, why = files.find(name, address, own)
                    if why:
                        yield name, f"needs a file, which {why}: {address}", address


_OUTSIDE = re.compile(r"\s*([a-z][a-z0-9+.-]*:|[/\\]{2})", re.IGNORECASE)


def _gaps_of_page(
    name: str, page: Page, pages: dict[str, Page], files: Files, own: str
) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with one page, as `gaps` does."""
    for place, address in page.addresses:
        link = place.split()[0] in {"a", "area"}
        if not address:
            yield name, f"an address is empty: {place}", place.split()[0]
            continue
        if _OUTSIDE.match(address) and not (own and address.startswith(own)):
            continue
        bare, _, fragment = address.partition("#")
        target, why = files.find(name, bare, own)
        if why:
            what = "dead link" if link else "needs a file"
            yield name, f"{what}, which {why}: {address}", address
        elif (
            fragment
            and fragment != "top"
            and target in pages
            and unquote(fragment) not in pages[target].ids
        ):
            yield (
                name,
                "dead link, no such place on the page (what a script makes is not "
                f"there when a reader comes): {address}",
                address,
            )
    for place, reference in page.references:
        if reference not in page.ids:
            yield name, f"no such id on the page, in {place}: {reference}", reference
    for identity, count in page.ids.items():
        if count > 1:
            yield name, f"{count} elements with one id: {identity}", identity
    for image in page.images:
        source = image.get("src", "")
        yield from (
            (name, f"{what}: {source}", source) for what in _faults_of_image(image)
        )
    if not page.icon:
        yield name, "without an icon for the browser's tab", "icon"
    if not page.policy:
        yield name, "without the policy that keeps browsers from other hosts", "policy"


def _faults_of_image(image: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with one picture of a page."""
    ours = "_images/" in image.get("src", "")
    alt = image.get("alt")
    if alt is None or (ours and says_nothing(alt, Path(image["src"]).stem)):
        yield "picture without alt text"
    if ours and not image["figure"]:
        yield "picture outside a figure, so without a caption"
    for key in ("width", "height"):
        if re.fullmatch(r"\s*0+(\.0*)?\s*(px|%)?\s*", image.get(key, "")):
            yield f"picture of no {key}"


def _unseen(path: Path) -> str:
    """Return why nobody sees a picture's file, or an empty string."""
    try:
        with Image.open(path) as image:
            image.verify()
        return ""
    except (OSError, SyntaxError, ValueError) as error:
        return f"not a picture that can be shown: {error}"


def _sources(app: Sphinx, page: str, clue: str) -> str:
    """Return where in the book's text a clue stands, as file:line, or ""."""
    name = page.removesuffix(".html")
    if name not in app.env.found_docs or not clue:
        return ""
    path = Path(app.env.doc2path(name))
    clues = {clue, unquote(clue), html.escape(clue), clue.partition("#")[2] or clue}
    for number, line in enumerate(path.read_text("utf8").splitlines(), start=1):
        if any(part in line for part in clues):
            return f"{path.parent.name}/{path.name}:{number}"
    return ""


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
        own = app.config.html_baseurl
        add_policy(Path(app.outdir), own)
        for page, what, clue in gaps(Path(app.outdir), own):
            source = _sources(app, page, clue)
            logger.warning("%s%s: %s", f"{source}: " if source else "", page, what)
        for name in sorted(app.env.found_docs):
            if "kernelspec" in app.env.metadata[name] and not _ran(app, name):
                logger.warning("chapter %s did not run", name)
    if app._warncount:
        logger.error("The book does not pass: %d warning(s) above.", app._warncount)
        app.statuscode = 1
    else:
        (Path(app.outdir).parent / PASSED).touch()


def add_policy(site: Path, own: str) -> None:
    """Put the policy of `other_hosts` into every page, before all that is asked for.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    own : str
        The address at which it is published.
    """
    for path in site.rglob("*.html"):
        page = path.read_text("utf8")
        policy = LIVE_POLICY if "data-binder=" in page else POLICY
        content = html.escape(policy.replace("{own}", own), quote=True)
        tag = f'<meta http-equiv="Content-Security-Policy" content="{content}">'
        if tag not in page:  # of an earlier build, if Sphinx did not write it anew
            page = re.sub(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", page)
            path.write_text(page.replace("<head>", f"<head>{tag}", 1), "utf8")


def _ran(app: Sphinx, name: str) -> bool:
    """Return whether a chapter's cells were executed, now or from the cache."""
    run = app.env.nb_metadata[name].get("exec_data")  # type: ignore[attr-defined]
    return bool(run and run["succeeded"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx: last of all, so that nothing is written after the check."""
    app.connect("config-inited", _distrust_failed_build)
    app.connect("build-finished", _check, priority=order.SITE_CHECK)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
