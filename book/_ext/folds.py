"""What is folded: solutions, hints and code, as elements that say what is in them.

A `details` opens by mouse, by keyboard, by a link to what is in it, and by the
browser's search, all without a script, and its name is the words that are seen. Those
say which of many it is: which exercise's solution, which figure's code.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.locale import admonitionlabels
from sphinx_exercise.nodes import is_exercise_node, solution_node

FOLDED = "dropdown"


def _is_folded(node: nodes.Element | None) -> bool:
    return isinstance(node, nodes.Admonition) and FOLDED in node["classes"]


def _visit_admonition(translator: Any, node: nodes.Element, name: str = "") -> None:
    """Open a note of any kind, one that can be folded or not."""
    if _is_folded(node):
        tag = translator.starttag(node, "details", CLASS=f"admonition {name}".strip())
        translator.body.append(tag)
        if name:
            node.insert(0, nodes.title(name, admonitionlabels[name]))
    else:
        type(translator).visit_admonition(translator, node, name)


def _depart_admonition(translator: Any, node: nodes.Element) -> None:
    translator.body.append("</details>\n" if _is_folded(node) else "</div>\n")


def _visit_title(translator: Any, node: nodes.title) -> None:
    """Write the title of what is folded as that which unfolds it."""
    if not _is_folded(node.parent):
        type(translator).visit_title(translator, node)
        return
    # All of it opens what is below it; a link within would lead elsewhere.
    for reference in list(node.findall(nodes.reference)):
        reference.replace_self(reference.children)
    translator.body.append('<summary class="admonition-title">')
    which = (
        ""
        if isinstance(node.parent, solution_node)
        else _exercise(translator, node.parent)
    )
    translator.context.append(f"{which}</summary>\n")


def _exercise(translator: Any, node: nodes.Element) -> str:
    """Return which exercise a hint is for: the one above it."""
    before = node.parent.children[: node.parent.index(node)]
    for above in reversed(before):
        if is_exercise_node(above):
            number = _number(translator, "exercise", above)
            return _unseen(f" for Exercise {number}")
    return ""


def _number(translator: Any, kind: str, node: nodes.Element) -> str:
    """Return the number of a figure or an exercise, or nothing."""
    numbers = translator.builder.fignumbers.get(kind, {})
    for name in node["ids"]:
        if name in numbers:
            return ".".join(map(str, numbers[name]))
    return ""


def _unseen(words: str) -> str:
    """Return words for those who hear a page, and not what stands beside them."""
    return f'<span class="visually-hidden">{escape(words)}</span>'


def _depart_title(translator: Any, node: nodes.title) -> None:
    type(translator).depart_title(translator, node)


def _which(translator: Any, node: HideCodeCellNode) -> str:
    """Return which code is folded: that of a figure, or of a section."""
    for figure in node.parent.findall(nodes.figure):
        if number := _number(translator, "figure", figure):
            return f" of Figure {number}"
    section = node.parent
    while not isinstance(section, nodes.section):
        section = section.parent
    title = section[section.first_child_matching_class(nodes.title)].astext()
    return _unseen(f" in “{title}”")


def _visit_code(translator: Any, node: HideCodeCellNode) -> None:
    """Open a cell's code, or its outputs, that are folded."""
    which = _which(translator, node)
    translator.body.append(
        f'<details class="admonition hide {" ".join(node["classes"])}">\n'
        '<summary class="admonition-title">'
        f'<span class="collapsed">{escape(node["prompt_show"])}</span>'
        f'<span class="expanded">{escape(node["prompt_hide"])}</span>'
        f"{which}</summary>\n"
    )


def _depart_code(translator: Any, node: HideCodeCellNode) -> None:
    translator.body.append("</details>\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of a script that made buttons without words of their own."""
    for kind in (nodes.admonition, solution_node):
        app.add_node(kind, override=True, html=(_visit_admonition, _depart_admonition))
    app.add_node(nodes.title, override=True, html=(_visit_title, _depart_title))
    app.add_node(HideCodeCellNode, override=True, html=(_visit_code, _depart_code))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
