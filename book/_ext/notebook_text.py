"""A page's text as the Markdown that Jupyter, Colab and GitHub show.

What a page says is made once, by Sphinx: numbers are filled in, references are
links, figures and exercises are counted. Here that result is written down again, as
plain Markdown, so that a notebook says what the page says without knowing a single
role or directive. What Markdown has no word for becomes what every viewer of
notebooks shows: an admonition a quotation with a title, a hint and a solution a
``<details>``, closed.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from docutils.utils import new_document
from sphinx.application import Sphinx
from sphinx_markdown_builder.contexts import IndentContext, SubContext, TableContext
from sphinx_markdown_builder.translator import MarkdownTranslator
from tabulate import tabulate


@dataclass(frozen=True)
class Place:
    """Where a text stands, from which its links lead.

    Attributes
    ----------
    name : str
        The page.
    site : str
        The book's address, with a slash at the end.
    notebooks : frozenset of str
        The pages that have a notebook: a link to one opens it.
    """

    name: str
    site: str
    notebooks: frozenset[str]

    def leads_to(self, uri: str) -> str | None:
        """Return where a link of the page leads from the notebook.

        Parameters
        ----------
        uri : str
            The link within the site, relative to the page.

        Returns
        -------
        str or None
            None for a place in the notebook itself: viewers agree on no way to
            name one.
        """
        path, _, _ = uri.partition("#")
        name = path.removesuffix(".html")
        if not path or name == self.name:
            return None
        return f"{name}.ipynb" if name in self.notebooks else f"{self.site}{uri}"


def numbered(app: Sphinx, name: str, kind: str, ids: Iterable[str]) -> str:
    """Return the number of a figure, an exercise or a section, "" if it has none.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    name : str
        The page.
    kind : str
        What is counted: "figure", "exercise" or "section".
    ids : iterable of str
        What the thing is called in the page.
    """
    if kind == "section":
        numbers = app.env.toc_secnumbers.get(name, {})
        places = [f"#{place}" if place else "" for place in ids]
    else:
        numbers = app.env.toc_fignumbers.get(name, {}).get(kind, {})
        places = list(ids)
    for place in places:
        if place in numbers:
            return ".".join(str(part) for part in numbers[place])
    return ""


class NotebookText(MarkdownTranslator):
    """Writes nodes of a resolved page as Markdown.

    Parameters
    ----------
    document : docutils.nodes.document
    app : sphinx.application.Sphinx
    place : Place
    """

    def __init__(self, document: nodes.document, app: Sphinx, place: Place) -> None:
        super().__init__(document, app.builder)
        self.app = app
        self.place = place
        self._cites = 0

    # --- Words -------------------------------------------------------------------

    def visit_Text(self, node: nodes.Text) -> None:
        """Write words; what Markdown would take for a sign is escaped."""
        if not self.status.escape_text:
            self.add(node.astext())
            return
        text = node.astext().replace("\n", " ")
        if self._cites:
            text = text.translate(str.maketrans("[]", "()"))
        for sign in "\\`*_$[]":
            text = text.replace(sign, "\\" + sign)
        self.add(text.replace("<", "&lt;"))

    def visit_emphasis(self, node: nodes.Element) -> None:
        self.add("*")

    depart_emphasis = visit_emphasis

    def visit_strong(self, node: nodes.Element) -> None:
        self.add("**")

    depart_strong = visit_strong

    def visit_literal(self, node: nodes.Element) -> None:
        """Write code in a line, between as many backticks as it needs."""
        text = node.astext()
        if self._in_table:
            text = text.replace("|", r"\|")
        fence = "``" if "`" in text else "`"
        space = " " if text.startswith("`") or text.endswith("`") else ""
        self.add(f"{fence}{space}{text}{space}{fence}")
        raise nodes.SkipNode

    def visit_inline(self, node: nodes.Element) -> None:
        """Note a citation: in Markdown brackets are links, so it gets parentheses."""
        self._cites += "bibtex-citation" in node["classes"]

    def depart_inline(self, node: nodes.Element) -> None:
        self._cites -= "bibtex-citation" in node["classes"]

    # --- Formulas ----------------------------------------------------------------

    def visit_math(self, node: nodes.Element) -> None:
        self.add(f"${self._formula(node)}$")
        raise nodes.SkipNode

    def visit_math_block(self, node: nodes.Element) -> None:
        """Write a formula in one line: the signs of a quotation stay out of it."""
        formula = self._formula(node)
        if r"\\" in formula and r"\begin{" not in formula:
            formula = rf"\begin{{aligned}}{formula}\end{{aligned}}"
        if node.get("label"):
            formula += rf" \tag{{{node['number']}}}"
        self.add(f"$${formula}$$", prefix_eol=2, suffix_eol=2)
        raise nodes.SkipNode

    def _formula(self, node: nodes.Element) -> str:
        formula = " ".join(node.astext().split())
        return formula.replace("|", r"\vert ") if self._in_table else formula

    # --- Code --------------------------------------------------------------------

    def visit_literal_block(self, node: nodes.Element) -> None:
        language = str(node.get("language", "")).replace("ipython3", "python")
        code = node.astext().rstrip("\n")
        self.add(f"```{language}\n{code}\n```", prefix_eol=2, suffix_eol=2)
        raise nodes.SkipNode

    # --- Links -------------------------------------------------------------------

    def visit_reference(self, node: nodes.Element) -> None:
        uri: str | None = node.get("refuri", "")
        if node.get("internal") or "refid" in node:
            uri = self.place.leads_to(uri or "")
        node["leads_to"] = uri
        if uri:
            self.add("[")

    def depart_reference(self, node: nodes.Element) -> None:
        if node["leads_to"]:
            self.add(f"]({node['leads_to']})")

    visit_number_reference = visit_reference
    depart_number_reference = depart_reference

    def visit_target(self, node: nodes.Element) -> None:
        raise nodes.SkipNode

    # --- Headings, boxes ---------------------------------------------------------

    def visit_title(self, node: nodes.Element) -> None:
        self.ensure_eol(2)
        if "depth" not in node:  # of something else than a section
            self.add("**")
            return
        number = numbered(self.app, self.place.name, "section", node["places"])
        self.add("#" * node["depth"] + " " + (f"{number}. " if number else ""))

    def depart_title(self, node: nodes.Element) -> None:
        self.add("" if "depth" in node else "**")
        self.ensure_eol(2)

    def visit_section(self, node: nodes.Element) -> None:
        """Nothing: what is inside an exercise has no heading of its own."""

    depart_section = visit_section

    def visit_admonition(self, node: nodes.Element) -> None:
        """Begin a quotation with the box's title in its first line."""
        titled = node.next_node(nodes.title)
        title = _taken_title(node) if titled else node.tagname.capitalize()
        if "dropdown" in node["classes"]:
            self.add(folded_head(title), prefix_eol=2, suffix_eol=2)
            return
        self.ensure_eol(2)
        self._push_context(IndentContext("> ", empty=True))
        self.add(f"**{title}**", suffix_eol=2)

    def depart_admonition(self, node: nodes.Element) -> None:
        if "dropdown" in node["classes"]:
            self.add("</details>", prefix_eol=2, suffix_eol=2)
            return
        self._pop_context()
        self.ensure_eol(2)

    visit_attention = visit_caution = visit_danger = visit_error = visit_admonition
    visit_hint = visit_important = visit_note = visit_seealso = visit_admonition
    visit_tip = visit_warning = visit_admonition
    depart_attention = depart_caution = depart_danger = depart_admonition
    depart_error = depart_hint = depart_important = depart_note = depart_admonition
    depart_seealso = depart_tip = depart_warning = depart_admonition

    def visit_exercise_node(self, node: nodes.Element) -> None:
        number = numbered(self.app, self.place.name, "exercise", node["ids"])
        title = _taken_title(node)
        name = " ".join(filter(None, ("Exercise", number, title)))
        self.add(f"### {name}", prefix_eol=2, suffix_eol=2)

    def depart_exercise_node(self, node: nodes.Element) -> None:
        self.ensure_eol(2)

    visit_exercise_enumerable_node = visit_exercise_node
    depart_exercise_enumerable_node = depart_exercise_node

    def visit_solution_node(self, node: nodes.Element) -> None:
        """Write a solution, closed."""
        title = html.escape(_taken_title(node), quote=False)
        self.add(folded_head(title), prefix_eol=2, suffix_eol=2)

    def depart_solution_node(self, node: nodes.Element) -> None:
        self.add("</details>", prefix_eol=2, suffix_eol=2)

    # --- Lists and tables --------------------------------------------------------

    def visit_term(self, node: nodes.Element) -> None:
        self.add("**", prefix_eol=2)

    def depart_term(self, node: nodes.Element) -> None:
        self.add("**", suffix_eol=2)

    def visit_definition(self, node: nodes.Element) -> None:
        self._push_context(SubContext())

    def depart_definition(self, node: nodes.Element) -> None:
        self._pop_context()
        self.ensure_eol(2)

    def visit_table(self, node: nodes.Element) -> None:
        self.ensure_eol(2)
        self._push_context(_Table())

    def depart_table(self, node: nodes.Element) -> None:
        self._pop_context()
        self.ensure_eol(2)

    @property
    def _in_table(self) -> bool:
        return any(isinstance(context, TableContext) for context in self._ctx_queue)

    # --- Nothing to read ---------------------------------------------------------

    def visit_raw(self, node: nodes.Element) -> None:
        raise nodes.SkipNode

    visit_compound = visit_comment = visit_raw
    # For the page alone.
    visit_answer_form = visit_exercise_places = visit_meaning = visit_raw

    def visit_takes_player(self, node: nodes.Element) -> None:
        """Lead to the page for what no cell here gives: sounds of another chapter."""
        if node["one"]:
            page = self.place.site + self.app.builder.get_target_uri(self.place.name)
            self.add(f"[Listen on the page]({page})", prefix_eol=2, suffix_eol=2)
        raise nodes.SkipNode


class _Table(TableContext):
    """A table in which numbers stay as they are written: 0.160 does not become 0.16."""

    def make(self) -> str:
        rows = [self.make_row(row) for row in (*self.headers, *self.body)]
        table = tabulate(
            rows[1:], headers=rows[0], tablefmt="github", disable_numparse=True
        )
        before = self.internal_context.make()
        return f"{before}\n\n{table}" if before else str(table)


def _taken_title(node: nodes.Element) -> str:
    """Take the title out of a box, and return its words."""
    title = node.next_node(nodes.title)
    title.parent.remove(title)
    return " ".join(title.astext().replace("\n", " ").split()).replace("( ", "(")


def folded_head(title: str) -> str:
    """Return how a part begins that is closed until a reader opens it.

    Parameters
    ----------
    title : str
        What to open, as HTML.
    """
    return f"<details>\n<summary><b>{title}</b></summary>"


def markdown(
    app: Sphinx, page: nodes.document, parts: Iterable[nodes.Node], place: Place
) -> str:
    """Return nodes of a resolved page as Markdown.

    Parameters
    ----------
    app : sphinx.application.Sphinx
    page : docutils.nodes.document
        The page that the nodes are from.
    parts : iterable of docutils.nodes.Node
        They are copied, and stay as they are. A title needs its ``depth``, from 1.
    place : Place
    """
    document = new_document("", page.settings)
    document.extend(part.deepcopy() for part in parts)
    translator: Any = NotebookText(document, app, place)
    document.walkabout(translator)
    text: str = translator.astext()
    return text.strip()
