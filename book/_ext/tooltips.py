"""Terms of the glossary say what they mean where they are used."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import order

LONGEST = 240


def shorten(text: str, longest: int) -> str:
    """Return whole sentences of a text, or whole words, up to a length."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= longest:
        return text
    start = text[: longest + 1]
    sentences = re.match(r".*[.!?](?=\s)", start)
    if sentences and len(sentences[0]) > longest // 2:
        return sentences[0]
    return start[: start.rfind(" ")].rstrip(",;:") + " …"


def plain_text(node: nodes.Node) -> str:
    """Return a node's text without formulas' source."""
    copy = node.deepcopy()
    for formula in list(copy.findall(nodes.math)):
        words = re.sub(r"[\\{}^]|_(?=\{)", "", formula.astext())
        formula.replace_self(nodes.Text(words))
    text: str = copy.astext()
    return text


def meanings(app: Sphinx) -> dict[str, str]:
    """Return what each term of the glossary means, by the id of its entry."""
    terms = app.env.get_domain("std").get_objects()
    pages = {page for _, _, kind, page, _, _ in terms if kind == "term"}
    meaning_of = {}
    for page in pages:
        for glossary in app.env.get_doctree(page).findall(addnodes.glossary):
            for entry in glossary.findall(nodes.definition_list_item):
                for definition in entry.findall(nodes.definition):
                    text = shorten(plain_text(definition), LONGEST)
                    for term in entry.findall(nodes.term):
                        meaning_of.update(dict.fromkeys(term["ids"], text))
    return meaning_of


class Tooltips:
    """The glossary, read once in a build, when the first page asks for it."""

    def __init__(self) -> None:
        self._meanings: dict[str, str] | None = None

    def add(self, app: Sphinx, doctree: nodes.document, name: str) -> None:
        """Let every link to a term say what the term means."""
        if app.builder.format != "html":
            return
        if self._meanings is None:
            self._meanings = meanings(app)
        for link in doctree.findall(nodes.reference):
            # Sphinx's own mark for what the role {term} became.
            if any(
                "std-term" in words["classes"] for words in link.findall(nodes.inline)
            ):
                place = link.get("refid") or link["refuri"].partition("#")[2]
                if place in self._meanings:
                    link["reftitle"] = self._meanings[place]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", Tooltips().add, priority=order.TOOLTIPS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
