"""Executed notebooks of every chapter, for download and for Colab.

Colab opens no MyST, so each chapter is also published as an ``.ipynb`` with its
outputs: a first cell installs the book's package where it is missing, and the
numbers that the page glues into its text stand in the text. The site carries the
notebooks in the folder ``notebooks/``; the publishing workflow puts the same folder
on a branch of that name, because Colab opens notebooks only from a repository.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import order
from execution import executed_notebook

logger = logging.getLogger(__name__)

FOLDER = "notebooks"
BRANCH = "notebooks"

_GLUED = re.compile(r"\{glue:text\}`([\w-]+)(?::([^`]+))?`")
_TERM = re.compile(r"\{term\}`([^`<]+?)(?:\s*<[^`>]+>)?`")
_REFERENCE = re.compile(r"\{(ref|numref|doc)\}`(?:([^`<]+?)\s*<[^`>]+>|([^`]+))`")
_LISTING = re.compile(
    r"^```\{literalinclude\} (\S+)\n((?:^:.*\n)*)```$", flags=re.MULTILINE
)
_CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
_LABEL = re.compile(r"^\([\w-]+\)=\n", flags=re.MULTILINE)


def names_of_places(app: Sphinx) -> dict[tuple[str, str], str]:
    """Return what a page calls the places that a text refers to.

    Returns
    -------
    dict of (str, str) to str
        By role and label: ``("ref", "ch-loss")`` is the chapter's title,
        ``("numref", "fig-loss")`` the figure's number.
    """
    found = {("doc", name): node.astext() for name, node in app.env.titles.items()}
    standard = app.env.domaindata["std"]
    for label, (_, _, title) in standard["labels"].items():
        found["ref", label] = title
    for label, (name, target) in standard["anonlabels"].items():
        figures = app.env.toc_fignumbers.get(name, {}).get("figure", {})
        if target in figures:
            number = ".".join(str(part) for part in figures[target])
            found["numref", label] = app.config.numfig_format["figure"] % number
    return found


def listing(folder: Path, name: str, options: str) -> str:
    """Return what a listing shows, as a block of code.

    Parameters
    ----------
    folder : pathlib.Path
        Where the chapter lies, from which `name` leads to the program.
    name : str
        The program.
    options : str
        The listing's options; ``:lines:`` chooses some, counted from 1.
    """
    lines = (folder / name).read_text("utf8").splitlines()
    chosen = re.search(r"^:lines: (.*)$", options, flags=re.MULTILINE)
    if chosen:
        kept = []
        for part in chosen[1].split(","):
            first, _, last = part.strip().partition("-")
            kept += lines[int(first) - 1 : int(last or first)]
        lines = kept
    return "\n".join(["```python", *lines, "```"])


def readable(
    text: str,
    numbers: dict[str, Any],
    places: dict[tuple[str, str], str],
    folder: Path,
) -> str:
    """Return a chapter's text with MyST's roles as plain Markdown.

    Parameters
    ----------
    text : str
        A Markdown cell.
    numbers : dict
        What the chapter glued, by name.
    places : dict
        What references say, by role and label.
    folder : pathlib.Path
        Where the chapter lies.
    """

    def number(match: re.Match[str]) -> str:
        # A name that nothing was glued to is the page's to warn of.
        if match[1] not in numbers:
            return match[0]
        return format(numbers[match[1]], match[2] or "")

    text = _GLUED.sub(number, text)
    text = _TERM.sub(r"\1", text)
    text = _REFERENCE.sub(lambda m: f"*{m[2] or places.get((m[1], m[3]), m[3])}*", text)
    text = _LISTING.sub(lambda m: listing(folder, m[1], m[2]), text)
    text = _CITATION.sub(r"[\1]", text)
    return _LABEL.sub("", text)


def glued(path: Path) -> dict[str, Any]:
    """Return what a chapter glued, by name, from the file that MyST-NB leaves.

    Parameters
    ----------
    path : pathlib.Path
        The file; a chapter that glues nothing has none.
    """
    if not path.exists():
        return {}
    outputs = json.loads(path.read_text("utf8"))
    return {
        name: ast.literal_eval(output["data"]["text/plain"])
        for name, output in outputs.items()
    }


def for_readers(
    notebook: NotebookNode,
    package: str,
    numbers: dict[str, Any],
    places: dict[tuple[str, str], str],
    folder: Path,
) -> NotebookNode:
    """Return a copy of an executed notebook that runs and reads well by itself.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The executed chapter.
    package : str
        What pip installs to get the book's package.
    numbers, places, folder
        As `readable` takes them.
    """
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = readable(cell.source, numbers, places, folder)
        else:
            cell.outputs = _merged(cell.get("outputs", []))
    install = nbformat.v4.new_code_cell(
        "# Installs the book's package where it is missing, in Colab for example.\n"
        "import importlib.util\n\n"
        'if importlib.util.find_spec("descent") is None:\n'
        f'    %pip install --quiet "{package}"',
        id="install",
    )
    copy.cells.insert(0, install)
    return copy


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs with one stream of each name.

    MyST-NB merges streams into the first of each name, and leaves the others behind:
    what they say would be said twice.
    """
    streams: dict[str, NotebookNode] = {}
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            first = streams.setdefault(output.name, output)
            if first is not output:
                if not first.text.rstrip().endswith(output.text.rstrip()):
                    first.text += output.text
                continue
        kept.append(output)
    return kept


def repository(config: Config) -> tuple[str, str]:
    """Return the repository's URL and branch from the theme's options."""
    options = config["html_theme_options"]
    return options["repository_url"].rstrip("/"), options["repository_branch"]


def _add_buttons(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Write a chapter's notebook; offer it for download and in Colab."""
    notebook = executed_notebook(app, name)
    if notebook is None:
        return
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{name}.ipynb"
    url, branch = repository(app.config)
    target = Path(app.outdir) / FOLDER / f"{name}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    numbers = glued(executed.with_suffix(".glue.json"))
    package = f"descent @ git+{url}@{branch}"
    found = for_readers(
        notebook, package, numbers, names_of_places(app), Path(app.srcdir)
    )
    nbformat.write(found, target)

    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if str(button.get("url", "")).endswith(".ipynb"):
                button["url"] = context["pathto"](f"{FOLDER}/{name}.ipynb", 1)
        if group.get("label") == "launch-buttons":
            group["buttons"].append(
                {
                    "type": "link",
                    "text": "Colab",
                    "tooltip": "Launch on Colab",
                    "icon": "_static/images/logo_colab.png",
                    "url": "https://colab.research.google.com/github"
                    f"{urlsplit(url).path}/blob/{BRANCH}/{name}.ipynb",
                }
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, after the theme has made its buttons at 501."""
    app.connect("html-page-context", _add_buttons, priority=order.NOTEBOOKS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
