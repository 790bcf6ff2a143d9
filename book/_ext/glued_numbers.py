"""Numbers that a chapter's text takes from its cells: all are there, and well formed.

A name that no cell glues, or a format that does not fit what was glued, is told with
chapter, line, name and what to do, before anything is made of the text. A number below
zero gets the minus sign that is written in the prose around it, where Python's format
has a hyphen.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from docutils import nodes
from myst_nb.core.variables import format_plain_text
from nbformat import NotebookNode
from sphinx.application import Sphinx

import order

_GLUED = re.compile(r"\{glue:text\}`([^`]*)`")
_BELOW_ZERO = re.compile(r"(?<![\w.)])-(?=\.?\d)")


def glued_text(notebook: NotebookNode) -> dict[str, str]:
    """Return what an executed chapter glues: for each name its value as text.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The chapter with its outputs.
    """
    glued: dict[str, str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                data = output["data"]
                key = next((mime for mime in data if mime.endswith("text/plain")), None)
                glued[name] = data[key] if key else ""
    return glued


def faults(notebook: NotebookNode, name: str, text: str) -> Iterator[str]:
    """Yield what is wrong with the numbers in a chapter's text and captions.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The chapter with its outputs.
    name : str
        Of its file.
    text : str
        What stands in it.
    """
    glued = glued_text(notebook)
    for line, words in enumerate(text.splitlines(), start=1):
        for role in _GLUED.findall(words):
            wrong = _fault(role, glued)
            if wrong is not None:
                yield f"{name}, line {line}: {{glue:text}}`{role}`: {wrong}"


def _fault(role: str, glued: dict[str, str]) -> str | None:
    """Return what is wrong with one number, and what to do."""
    if "::" in role:
        return None  # Another chapter's, which MyST-NB looks for.
    key, _, form = role.partition(":")
    if key not in glued:
        near = difflib.get_close_matches(key, glued, n=1)
        meant = f"; is it {near[0]!r} that you mean?" if near else "."
        return f"no cell of this chapter glues {key!r}{meant}"
    try:
        format_plain_text(glued[key], form)
    except (ValueError, TypeError) as error:
        return (
            f"the format {form!r} does not fit the glued value {glued[key][:60]}: "
            f"{error}. Glue another value, or mend the format."
        )
    return None


def _write_minus(app: Sphinx, doctree: nodes.document) -> None:
    """Put a minus sign where a glued number has a hyphen."""
    for number in doctree.findall(nodes.inline):
        if "pasted-text" in number["classes"]:
            for text in list(number.findall(nodes.Text)):
                minus = nodes.Text(_BELOW_ZERO.sub("\N{MINUS SIGN}", text))
                text.parent.replace(text, minus)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before captions and sentences are handed on."""
    app.connect("doctree-read", _write_minus, priority=order.MINUS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
