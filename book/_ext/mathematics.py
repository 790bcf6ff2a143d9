"""Mathematics as MathML, made at build time: no script, and no other host."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging

import order

logger = logging.getLogger(__name__)

_CONVERTER = LatexToMathML(fancy_error=False)

# What stands at a formula and is not to stand alone, at a line's end or its start:
# for a browser a line may break at either side of a formula.
_BEFORE = re.compile(r"(?:[(\[“‘≈~−+-]|± ?)+$")
_AFTER = re.compile(r"^[^\s\w(\[“‘—]+")

# A formula of so many letters is a line of a phone by itself.
LONG = 40


def to_mathml(latex: str, display: str) -> str:
    """Return a formula as MathML.

    Parameters
    ----------
    latex : str
        The formula.
    display : {"inline", "block"}
        Within a line, or on a line of its own.

    Raises
    ------
    ValueError
        If the formula cannot be read.
    """
    if r"\\" in latex and r"\begin{" not in latex:
        # As Sphinx does for other renderers: several lines are lines to align.
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    try:
        mathml = _CONVERTER.convert_with_local_state(
            latex, displaystyle=display == "block"
        )
    except LatexError as error:
        raise ValueError(f"formula not understood ({error}): {latex}") from error
    # As a line over letters it writes the one that belongs below them.
    return mathml.replace("\u0332</mo></mover>", "\u203e</mo></mover>")


def _write(translator: Any, node: nodes.Element, display: str) -> None:
    """Write a formula, or warn where it stands."""
    try:
        translator.body.append(to_mathml(node.astext(), display))
    except ValueError as error:
        logger.warning("%s", error, location=node)


def _inline(translator: Any, node: nodes.Element) -> None:
    _write(translator, node, "inline")
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.Element) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math-block"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({node["number"]})</span>')
    _write(translator, node, "block")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def bind(part: nodes.Element) -> None:
    """Put formulas into one box with the punctuation that stands at them.

    Parameters
    ----------
    part : docutils.nodes.Element
        What has the formulas, a page for example; it is changed.
    """
    for formula in list(part.findall(nodes.math)):
        parent = formula.parent
        place = parent.index(formula)
        around = [parent[i : i + 1] if i >= 0 else [] for i in (place - 1, place + 1)]
        before, after = (
            side[0] if side and isinstance(side[0], nodes.Text) else nodes.Text("")
            for side in around
        )
        opens, closes = _BEFORE.search(before), _AFTER.search(after)
        if not (opens or closes) or len(formula.astext()) > LONG:
            continue
        box = nodes.inline("", "", classes=["bound"])
        parent[place] = box
        if closes:
            parent[place + 1] = nodes.Text(after[closes.end() :])
        if opens:
            parent[place - 1] = nodes.Text(before[: opens.start()])
            box += nodes.Text(opens[0])
        box += formula
        if closes:
            box += nodes.Text(closes[0])


def _bind_all(app: Sphinx, doctree: nodes.document, name: str) -> None:
    bind(doctree)


def _note_formulas(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let the template know whether a page will need the letters of formulas."""
    context["has_formulas"] = doctree is not None and any(
        True for kind in (nodes.math, nodes.math_block) for _ in doctree.findall(kind)
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Take the place of Sphinx's renderer, which loads MathJax from a CDN."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.config["html_math_renderer"] = "mathml"
    app.connect("doctree-resolved", _bind_all, priority=order.BOUND_FORMULAS)
    app.connect("html-page-context", _note_formulas, priority=order.FORMULAS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
