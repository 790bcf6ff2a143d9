"""What a page says and what its notebook says, so that they can be compared."""

import re
from collections.abc import Iterable
from copy import copy
from functools import cache

from bs4 import BeautifulSoup, Tag
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from book import SITE

# A reader of notebooks that knows what all of them know: Markdown, tables, formulas.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)
)

# Opens the alternative text of a figure.
WORDS = "The figure in words"
# Stands where the page has a player, and the notebook no cell with the sounds.
INSTEAD_OF_PLAYER = "Listen on the page"


@cache
def page_of(name: str) -> Tag:
    """Return what a page of the site says: to be looked at, or changed in a copy."""
    soup = BeautifulSoup((SITE / f"{name}.html").read_text("utf8"), "html.parser")
    main = soup.select_one("article.bd-article")
    assert main is not None
    # What terms and works mean stands at the end, for who points at them.
    for meaning in main.select(".meaning"):
        meaning.decompose()
    return main


def rendered(cells: Iterable[NotebookNode]) -> BeautifulSoup:
    """Return Markdown cells as a viewer shows them."""
    html = "\n".join(_MARKDOWN.render(cell.source) for cell in cells)
    return BeautifulSoup(html, "html.parser")


def texts(notebook: NotebookNode) -> list[NotebookNode]:
    """Return a notebook's Markdown cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def words_of_page(page: Tag) -> str:
    """Return a page's text, in order, without code cells; captions stay.

    What only a page has, fields, links and players, is left out.
    """
    soup = copy(page)
    for cell in soup.select("div.cell"):
        captions = cell.select("figcaption")
        cell.clear()
        cell.extend(captions)
    only_here = "form.answer, .exercise-places, .takes, .live, .visually-hidden"
    for part in soup.select(
        f"a.headerlink, .toctree-wrapper, script, style, {only_here}"
    ):
        part.decompose()
    return plain(soup)


def words_of_notebook(notebook: NotebookNode) -> str:
    """Return a notebook's text, in order, without what only a notebook has.

    That is the line below its title, what stands in for pictures, the list of the
    works it cites, and the way to its neighbors.
    """
    cells = texts(notebook)[:-1]
    if cells[-1].source.startswith("## References"):
        cells.pop()
    soup = rendered(cells)
    title = soup.select_one("h1")
    assert title is not None
    note = title.find_next_sibling("p")
    assert note is not None
    note.decompose()
    for part in soup.select("details"):
        if WORDS in part.get_text():
            part.decompose()
    for link in soup.select("a"):
        if link.get_text() == INSTEAD_OF_PLAYER:
            link.decompose()
    return plain(soup)


def plain(soup: Tag) -> str:
    """Return text without formulas and spaces; brackets are parentheses."""
    for formula in soup.select("math, .math"):
        formula.decompose()
    text = re.sub(r"\s+", "", soup.get_text())
    return text.translate(str.maketrans("[]", "()"))


def first_difference(one: str, other: str) -> str:
    """Return where two texts part."""
    at = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(0, at - 60)
    return f"page: …{one[start : at + 80]}\nnotebook: …{other[start : at + 80]}"
