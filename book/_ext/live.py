"""A chapter's code runs in its page: a button, and what it asks for when pressed.

The button stands below the title of a chapter with cells. What it loads lies in the
site: `_static/live`, the book's own; the folder ``live`` with the chapter's code, from
`notebooks`; and there Thebe, which talks to a Jupyter server and draws what comes back.
Its program is taken from the package `teachbooks-sphinx-thebe`, which carries it for
books that are to work without other hosts; nothing else of that package is used.

A page of the published book asks Binder for a server. Where `tools/live` serves the
book, it puts the address of a server on the same machine in Binder's place.
"""

from __future__ import annotations

import gzip
import html
import shutil
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

import order
from branches import ENVIRONMENT
from notebooks import LIVE, repository
from other_hosts import BINDER

logger = logging.getLogger(__name__)

PACKAGE = "teachbooks-sphinx-thebe"
# The program, as it lies there.
PROGRAM = Path(
    str(resources.files(PACKAGE.replace("-", "_")) / "_thebe_static" / "index.js")
)


@cache
def _megabytes() -> str:
    """Return how much a server that compresses sends of Thebe."""
    return f"{len(gzip.compress(PROGRAM.read_bytes())) / 1e6:.1f}"


def _add_button(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Put the button below the title of a chapter with cells."""
    if (
        app.builder.format != "html"
        or name == app.config.root_doc
        or "kernelspec" not in app.env.metadata[name]
    ):
        return
    hub = app.config.html_theme_options["launch_buttons"]["binderhub_url"].rstrip("/")
    if hub != BINDER:
        logger.warning("live code: the pages' policy allows %s, not %s", BINDER, hub)
    facts = {
        "live": "../" * name.count("/"),
        "name": name,
        "binder": BINDER,
        "repository": urlsplit(repository(app.config)).path.strip("/"),
        "branch": ENVIRONMENT,
        "megabytes": _megabytes(),
    }
    data = "".join(f' data-{k}="{html.escape(v)}"' for k, v in facts.items())
    text = (
        f'<div class="live pst-js-only"{data}>'
        '<button type="button">Run the code on this page</button></div>'
    )
    # Below the line that says how long the chapter takes, or the title.
    head = next(iter(doctree.findall(nodes.title)), None)
    if head is None:
        return
    section, place = head.parent, head.parent.index(head) + 1
    if "reading-time" in section[place].get("classes", ()):
        place += 1
    section.insert(place, nodes.raw(text, text, format="html"))


def _copy_program(app: Sphinx, failure: Exception | None) -> None:
    """Copy Thebe into the site, with the terms on which it may be passed on."""
    folder = Path(app.outdir) / LIVE
    if failure is not None or app.builder.format != "html" or not folder.exists():
        return
    target = folder / "thebe"
    target.mkdir(exist_ok=True)
    for name in (PROGRAM.name, f"{PROGRAM.name}.LICENSE.txt"):
        shutil.copyfile(PROGRAM.with_name(name), target / name)
    terms = metadata.distribution(PACKAGE).read_text("licenses/LICENSE") or ""
    (target / "LICENSE.txt").write_text(terms, "utf8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", _add_button, priority=order.LIVE_BUTTON)
    app.connect("build-finished", _copy_program, priority=order.LIVE_PROGRAM)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
