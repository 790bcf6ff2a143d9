"""How long a chapter takes to read, said at its head.

Counted in what a reader meets: words of text, lines of code that stand open, figures,
exercises. Solutions and the folded code of figures are not counted; hints are.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

import order

# A text with formulas and numbers is read slower than a novel, code slower still.
WORDS_A_MINUTE = 200
CODE_LINES_A_MINUTE = 20
MINUTES_A_FIGURE = 0.5


def _is_folded(node: nodes.Node) -> bool:
    """Return whether a node stands in a solution or in the code of a folded cell."""
    while node is not None:
        if isinstance(node, solution_node):
            return True
        if isinstance(node, nodes.container) and "tag_hide-input" in node["classes"]:
            return True
        node = node.parent
    return False


def minutes(doctree: nodes.document) -> float:
    """Return the minutes that reading a chapter takes, exercises read but not done."""
    words = lines = 0
    for text in doctree.findall(nodes.Text):
        block = text.parent
        if isinstance(block, nodes.literal_block | nodes.raw | nodes.math_block):
            continue
        if not _is_folded(text):
            words += len(text.astext().split())
    for block in doctree.findall(nodes.literal_block):
        if not _is_folded(block):
            lines += len(block.astext().splitlines())
    figures = len(list(doctree.findall(nodes.figure)))
    return (
        words / WORDS_A_MINUTE
        + lines / CODE_LINES_A_MINUTE
        + figures * MINUTES_A_FIGURE
    )


def _say(app: Sphinx, doctree: nodes.document) -> None:
    """Put the time below the title of a chapter with cells."""
    name = app.env.docname
    if name == app.config.root_doc or "kernelspec" not in app.env.metadata[name]:
        return
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is None:
        return
    exercises = [
        node
        for kind in (exercise_node, exercise_enumerable_node)
        for node in doctree.findall(kind)
    ]
    rounded = max(5, 5 * round(minutes(doctree) / 5))
    words = f"About {rounded} minutes to read"
    if exercises:
        count = len(exercises)
        words += f"; {count} exercise{'s' if count > 1 else ''} take their own time"
    section = title.parent
    section.insert(
        section.index(title) + 1,
        nodes.paragraph("", f"{words}.", classes=["reading-time"]),
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", _say, priority=order.READING_TIME)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
