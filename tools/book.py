"""Facts of the book that tools and tests share: its order, its numbers, its addresses.

Needs nothing but what builds the book.
"""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

# Another checkout, or another build of it, can be named.
ROOT = Path(os.environ.get("DESCENT_ROOT", Path(__file__).parents[1])).resolve()
SITE = Path(os.environ.get("DESCENT_SITE", ROOT / "book/_build/html")).resolve()


class Repository(NamedTuple):
    """Where the book lives on GitHub."""

    owner: str
    name: str
    branch: str


def table_of_contents(root: Path = ROOT) -> list[str]:
    """Return the names of all pages, in the order in which they are read."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    parts = toc.get("parts", [toc])
    return [
        toc["root"],
        *(entry["file"] for part in parts for entry in part.get("chapters", [])),
    ]


def numbered_chapters(root: Path = ROOT) -> list[str]:
    """Return the names of the pages that have a chapter's number, in order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    return [
        entry["file"]
        for part in toc.get("parts", [toc])
        if part.get("numbered")
        for entry in part["chapters"]
    ]


def source(page: str, root: Path = ROOT) -> str:
    """Return the MyST Markdown that a page is made from."""
    return (root / "book" / f"{page}.md").read_text("utf8")


def title(page: str, root: Path = ROOT) -> str:
    """Return a page's title, as its first heading has it."""
    heading = re.search(r"^# (.+)$", source(page, root), re.MULTILINE)
    if heading is None:
        raise ValueError(f"book/{page}.md has no title")
    return heading[1].strip()


def with_cells(root: Path = ROOT) -> list[str]:
    """Return the names of the pages that have cells: a reader can launch them."""
    return [
        page
        for page in table_of_contents(root)
        if "\n```{code-cell}" in source(page, root)
    ]


def with_exercises(root: Path = ROOT) -> list[str]:
    """Return the names of the pages that have exercises."""
    return [
        page for page in table_of_contents(root) if "{exercise}" in source(page, root)
    ]


def glued(page: str, build: Path = SITE.parent) -> dict[str, Any]:
    """Return the numbers that a built page handed from its cells to its text, by name.

    Parameters
    ----------
    page : str
        Its name; a page that glues nothing has none.
    build : pathlib.Path
        The folder into which the book was built.
    """
    path = build / "jupyter_execute" / f"{page}.glue.json"
    if not path.exists():
        return {}
    outputs = json.loads(path.read_text("utf8"))
    return {
        name: ast.literal_eval(output["data"]["text/plain"])
        for name, output in outputs.items()
    }


def repository(root: Path = ROOT) -> Repository:
    """Return where links lead: in a fork's own workflow, to the fork."""
    settings = yaml.safe_load((root / "_config.yml").read_text("utf8"))["repository"]
    path = os.environ.get("GITHUB_REPOSITORY") or urlsplit(settings["url"]).path
    owner, name = path.strip("/").split("/")
    return Repository(owner, name, settings["branch"])
