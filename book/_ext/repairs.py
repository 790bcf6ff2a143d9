"""What the theme and docutils write and assistive technology stumbles over.

Where a node is written wrong, the book writes it itself. What is in the midst of the
theme's templates is replaced in the pages: `IN_TEMPLATES`, and a test says when one of
these repairs has nothing to do any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

import order

IN_TEMPLATES = {
    # A side bar that is no landmark.
    '<div id="pst-primary-sidebar" class=': (
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class='
    ),
    # The theme's script, which marks the section that came into sight last, in either
    # direction, is not to know this list: reading.js marks the one that is read.
    'id="pst-page-toc-nav"': 'id="on-this-page"',
    # In a menu that is closed, the icons can wait.
    '<img alt="Binder logo" src=': '<img alt="Binder logo" loading="lazy" src=',
    '<img alt="Colab logo" src=': '<img alt="Colab logo" loading="lazy" src=',
}


# So many columns of words would be threads on a phone: such a table is scrolled.
MANY_COLUMNS = 4


def _visit_entry(translator: Any, node: nodes.entry) -> None:
    """Write the head of a table's column; one without words is no head."""
    if isinstance(node.parent.parent, nodes.thead) and not node.astext().strip():
        node.parent.column += 1
        translator.body.append("<td></td>\n")
        raise nodes.SkipNode
    type(translator).visit_entry(translator, node)


def _depart_entry(translator: Any, node: nodes.entry) -> None:
    type(translator).depart_entry(translator, node)


def _visit_citation(translator: Any, node: nodes.citation) -> None:
    """Write a work without docutils' roles: its list has no items in their sense."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        translator.body.append('<div class="citation-list">\n')
    translator.body.append(translator.starttag(node, "div", CLASS="citation"))


def _depart_citation(translator: Any, node: nodes.citation) -> None:
    type(translator).depart_citation(translator, node)


def _free_exercises(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Take away the one id that sphinx-exercise gives to all exercises of a page."""
    for section in doctree.findall(nodes.section):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []


def _name_wide_tables(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Let the style sheet know tables that no phone is wide enough for."""
    for columns in doctree.findall(nodes.tgroup):
        if columns["cols"] >= MANY_COLUMNS:
            columns.parent["classes"].append("many-columns")


def _repair_templates(app: Sphinx, failure: Exception | None) -> None:
    """Put right what templates write wrong."""
    if failure is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).glob("*.html"):
        text = repaired = path.read_text("utf8")
        for wrong, right in IN_TEMPLATES.items():
            repaired = repaired.replace(wrong, right)
        if repaired != text:
            path.write_text(repaired, "utf8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(nodes.entry, override=True, html=(_visit_entry, _depart_entry))
    app.add_node(
        nodes.citation, override=True, html=(_visit_citation, _depart_citation)
    )
    app.connect("doctree-resolved", _free_exercises, priority=order.EXERCISE_IDS)
    app.connect("doctree-resolved", _name_wide_tables, priority=order.WIDE_TABLES)
    app.connect("build-finished", _repair_templates, priority=order.REPAIRS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
