"""Terms and citations say what they mean where they stand, and are led back to.

At the end of a page is, once for every term and every work that the page links, what
the glossary or the list of works says of it, in an element that browsers do not show;
`meanings.js` shows it beside the link. The glossary and the list of works say which
pages lead to an entry, and link the place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import Any

from docutils import nodes
from pybtex.plugin import find_plugin
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import order

# How the place is called that leads to an entry.
USE = "leads-to-"


class meaning(nodes.General, nodes.Element):
    """What an entry says; ``entry`` is its id, ``where`` its address and its list."""


def _visit(translator: Any, node: meaning) -> None:
    # Not a docutils element: the attribute `popover` is what hides it.
    translator.body.append(
        f'<div popover="manual" class="meaning" id="meaning-{escape(node["entry"])}">'
    )


def _depart(translator: Any, node: meaning) -> None:
    address, title = map(escape, node["where"])
    translator.body.append(
        f'<p class="meaning-list"><a href="{address}">{title}</a></p></div>\n'
    )


def _entries(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return the page and the id of every term, by its name in small letters."""
    objects = env.get_domain("std").get_objects()
    return {
        name.lower(): (page, entry)
        for name, _, kind, page, entry, _ in objects
        if kind == "term"
    }


class Meanings:
    """What the entries say and what leads to them, read once in a build."""

    def __init__(self) -> None:
        self._reread: set[str] = set()
        self._said: dict[str, list[nodes.Node]] | None = None
        self._pages: set[str] = set()
        self._uses: dict[str, list[str]] = {}

    def note(self, app: Sphinx, doctree: nodes.document) -> None:
        """Note that a page has been read anew."""
        self._reread.add(app.env.docname)

    def outdated(self, app: Sphinx, env: BuildEnvironment) -> list[str]:
        """Return the pages that say what others say of them, or say of others."""
        lists = {page for page, _ in _entries(env).values()}
        works = env.get_domain("cite").citations  # type: ignore[attr-defined]
        lists |= {work.bibliography_key.docname for work in works}
        if self._reread & lists:
            return sorted(env.found_docs)
        return sorted(lists) if self._reread else []

    def add(self, app: Sphinx, doctree: nodes.document, name: str) -> None:
        """Put what a page's links mean at its end, and what leads to its entries."""
        if app.builder.format != "html":
            return
        if self._said is None:
            self._said = {**self._terms(app), **self._works(app)}
            self._uses = self._leading(app)
        met: set[str] = set()
        for link in list(doctree.findall(nodes.reference)):
            page, _, entry = link.get("refuri", "").partition("#")
            entry = link.get("refid", entry)
            page = page.removesuffix(".html") or name
            if entry in self._said and page in self._pages and entry not in met:
                met.add(entry)
                link["ids"].append(USE + entry)
                title = app.env.titles[page].astext()
                uri = app.builder.get_relative_uri(name, page)
                said = [self._linked(app, name, part) for part in self._said[entry]]
                doctree += meaning(
                    "", *said, entry=entry, where=(f"{uri}#{entry}", title)
                )
        if name in self._pages:
            self._lead_back(app, doctree, name)

    def _terms(self, app: Sphinx) -> dict[str, list[nodes.Node]]:
        """Return what the glossary says of each term, by the id of its entry."""
        said = {}
        for page in {page for page, _ in _entries(app.env).values()}:
            self._pages.add(page)
            for item in app.env.get_doctree(page).findall(nodes.definition_list_item):
                definitions = list(item.findall(nodes.definition))
                for term in item.findall(nodes.term):
                    head = nodes.paragraph("", "", nodes.strong(text=term.astext()))
                    text = [part for d in definitions for part in d.children]
                    said.update({entry: [head, *text] for entry in term["ids"]})
        return said

    def _works(self, app: Sphinx) -> dict[str, list[nodes.Node]]:
        """Return each work as the list of works has it, by the id of its entry."""
        backend = find_plugin("pybtex.backends", "docutils")()
        said = {}
        for work in app.env.get_domain("cite").citations:  # type: ignore[attr-defined]
            self._pages.add(work.bibliography_key.docname)
            said[work.citation_id] = [backend.paragraph(work.formatted_entry)]
        return said

    def _linked(self, app: Sphinx, name: str, said: nodes.Node) -> nodes.Node:
        """Return a copy whose links to chapters lead there, and whose others do not."""
        labels = app.env.get_domain("std").labels  # type: ignore[attr-defined]
        copy = said.deepcopy()
        for link in list(copy.findall(addnodes.pending_xref)):
            if link["refdomain"] == "cite":
                link.parent.remove(link)
            elif link["reftype"] == "ref":
                page, place, title = labels[link["reftarget"]]
                uri = app.builder.get_relative_uri(name, page)
                link.replace_self(
                    nodes.reference("", title, refuri=f"{uri}#{place}", internal=True)
                )
            else:
                link.replace_self(nodes.Text(link.astext()))
        return copy

    def _leading(self, app: Sphinx) -> dict[str, list[str]]:
        """Return the pages that lead to each entry, in the order of the book."""
        env = app.env
        known, uses = _entries(env), defaultdict(set)
        for page in env.found_docs:
            for link in env.get_doctree(page).findall(addnodes.pending_xref):
                if link["reftype"] == "term":
                    _, entry = known.get(link["reftarget"].lower(), ("", ""))
                    uses[entry].add(page)
        cite = env.get_domain("cite")
        works = {work.key: work.citation_id for work in cite.citations}  # type: ignore[attr-defined]
        for link in cite.citation_refs:  # type: ignore[attr-defined]
            for target in link.targets:
                uses[works.get(target.key, "")].add(link.docname)
        places = {page: place for place, page in enumerate(_in_order(env))}
        return {
            entry: sorted(pages, key=lambda page: places.get(page, len(places)))
            for entry, pages in uses.items()
        }

    def _lead_back(self, app: Sphinx, doctree: nodes.document, name: str) -> None:
        """Let the entries of a page say from where they are linked."""
        for item in doctree.findall(nodes.definition_list_item):
            for definition in item.findall(nodes.definition):
                terms = item.findall(nodes.term)
                ids = [entry for term in terms for entry in term["ids"]]
                definition += self._back(app, name, ids, "Linked in")
        for work in doctree.findall(nodes.citation):
            work += self._back(app, name, work["ids"], "Cited in")

    def _back(
        self,
        app: Sphinx,
        name: str,
        ids: list[str],
        words: str,
    ) -> list[nodes.Node]:
        """Return a line with the links back from an entry, if there are any."""
        line = nodes.paragraph(classes=["backlinks"])
        for entry in ids:
            for page in self._uses.get(entry, []):
                if page == name:
                    continue
                line += nodes.Text(", " if line.children else f"{words} ")
                uri = app.builder.get_relative_uri(name, page) + f"#{USE}{entry}"
                line += nodes.reference(
                    "", _named(app.env, page), refuri=uri, internal=True
                )
        return [line] if line.children else []


def _in_order(env: BuildEnvironment) -> Iterator[str]:
    """Yield the pages as the table of contents has them."""
    root = env.config.root_doc
    yield root
    yield from env.toctree_includes.get(root, [])


def _named(env: BuildEnvironment, page: str) -> str:
    """Return a page's number and title."""
    number = env.toc_secnumbers.get(page, {}).get("")
    title = env.titles[page].astext()
    return f"{'.'.join(map(str, number))}. {title}" if number else title


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    meanings = Meanings()
    app.add_node(meaning, html=(_visit, _depart))
    app.connect("doctree-read", meanings.note)
    app.connect("env-updated", meanings.outdated)
    app.connect("doctree-resolved", meanings.add, priority=order.MEANINGS)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
