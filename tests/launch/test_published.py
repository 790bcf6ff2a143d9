"""The published notebooks say what the pages say, and nothing of how they are made."""

import ast
import re
from functools import cache

import jupytext
import nbformat
import pytest
from launching import PUBLISHED, published
from reading import (
    first_difference,
    page_of,
    rendered,
    texts,
    words_of_notebook,
    words_of_page,
)
from selectolax.lexbor import LexborHTMLParser

from book import ROOT, SITE, with_cells

each_chapter = pytest.mark.parametrize("name", with_cells())

HOME = "https://descent-book.github.io/descent/"

# Traces of MyST, and of Markdown or HTML that was not understood.
TRACES = re.compile(
    r"\{[a-z:]+\}`|:::|```\{|\{glue|⚠|^:\w+:|\(\w[\w-]*\)=$|\*\*|</?details|&lt;|&amp;lt;",
    flags=re.MULTILINE,
)


@each_chapter
def test_a_notebook_says_what_the_page_says(name: str):
    page, notebook = (
        words_of_page(page_of(name)),
        words_of_notebook(published(name)),
    )
    assert len(page) > 2000
    assert page == notebook, first_difference(page, notebook)


@each_chapter
def test_a_notebook_has_the_formulas_of_the_page(name: str):
    page = page_of(name)
    # Without those of tables that a cell printed.
    written = len(page.select("math")) - len(page.select(".cell_output .output math"))
    assert len(rendered(texts(published(name))).select(".math")) == written


@each_chapter
def test_no_trace_of_how_it_was_made(name: str):
    shown = rendered(texts(published(name)))
    for code in shown.select("pre, code, .math"):
        code.decompose()
    assert TRACES.findall(shown.get_text()) == []
    nbformat.validate(published(name))


@each_chapter
def test_every_figure_has_number_caption_and_words(name: str):
    cells = published(name).cells
    figures = page_of(name).select(".cell figure")
    pictured = [
        cell
        for cell in cells
        if cell.cell_type == "code"
        and any(
            "image/gif" in o.get("data", {}) or "image/svg+xml" in o.get("data", {})
            for o in cell.outputs
        )
    ]
    assert len(pictured) == len(figures)
    for cell, figure in zip(pictured, figures, strict=True):
        below = rendered([cells[cells.index(cell) + 1]])
        caption = figure.select_one("figcaption")
        assert caption is not None
        number = caption.select_one(".caption-number")
        assert number is not None
        strong = below.select_one("p strong")
        assert strong is not None
        assert strong.get_text() == number.get_text().strip()
        alternative = next(i["alt"] for i in figure.select("img") if i.get("alt"))
        folded = below.select_one("details")
        assert folded is not None
        assert alternative in folded.get_text()
        for output in cell.outputs:
            for kind in {"image/svg+xml", "image/gif"} & set(output.data):
                assert output.metadata[kind]["alt"] == alternative


@each_chapter
def test_every_figure_has_a_still_that_an_untrusted_notebook_shows(name: str):
    for cell in published(name).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/svg+xml" in data:
                # A figure to touch has the still in its HTML.
                still = "data:image/" in data.get("text/html", "")
                assert "image/png" in data or still, cell.source


@each_chapter
def test_exercises_have_titles_and_solutions_are_closed(name: str):
    page = page_of(name)
    shown = rendered(texts(published(name)))
    headings = [h.get_text() for h in shown.select("h3")]
    for exercise in page.select("div.exercise"):
        title = exercise.select_one(".admonition-title")
        assert title is not None
        assert " ".join(title.get_text().split()) in headings
    solutions = page.select(".solution")
    folded = [
        d for d in shown.select("details") if "Solution to" in d.summary.get_text()
    ]
    assert len(folded) == len(solutions)
    assert not any(d.has_attr("open") for d in shown.select("details"))
    for part in folded:
        # What is between them is in the details, and not after them.
        assert len(part.get_text().split()) > 10


@each_chapter
def test_hidden_code_is_folded_and_gives_nothing_away(name: str):
    shown = {
        cell.source
        for cell in jupytext.read(ROOT / "book" / f"{name}.md").cells
        if cell.cell_type == "code"
        and not re.search(r"hide-|remove-", str(cell.metadata.get("tags")))
    }
    assert shown or name == "index"
    for cell in published(name).cells:
        if cell.cell_type == "code" and cell.source not in shown:
            assert cell.metadata.jupyter.source_hidden
            assert cell.metadata.cellView == "form"
            if cell.source.startswith("# @title What"):
                tree = ast.parse(cell.source)
                for node in ast.walk(tree):
                    assert not isinstance(node, ast.Assert)
                    assert not (isinstance(node, ast.Name) and node.id == "glue")
                assert cell.outputs == []
        else:
            assert "jupyter" not in cell.metadata


def test_answers_that_the_pages_hide_are_not_in_the_notebooks():
    code = "\n".join(
        cell.source
        for name in with_cells()
        for cell in published(name).cells
        if cell.cell_type == "code"
    )
    assert "check(" in code
    assert "def through(" not in code
    assert "assert " not in code


# What a library or a check says in one line, however long.
SAID_WHOLE = ("Report(", "RuntimeError: ", "Not answered yet: ")


@each_chapter
def test_a_page_shows_printed_lines_whole(name: str):
    for cell in published(name).cells:
        for output in cell.get("outputs", ()):
            lines = output.text.splitlines() if output.output_type == "stream" else ()
            for line in lines:
                assert len(line) <= 80 or line.startswith(SAID_WHOLE), (cell.id, line)


@cache
def places(path: str) -> set[str]:
    """Return the places of a page that a link may lead to."""
    page = LexborHTMLParser((SITE / path).read_text("utf8"))
    return {str(element.id) for element in page.css("[id]")}


@each_chapter
def test_links_lead_somewhere(name: str):
    seen = {"note": 0, "works": 0}
    for link in rendered(texts(published(name))).select("a"):
        target = str(link["href"])
        if target.startswith(HOME):
            path, _, place = target.removeprefix(HOME).partition("#")
            assert not place or place in places(path), target
            seen["note"] += path == f"{name}.html"
            seen["works"] += path == "references.html" and bool(place)
        elif target.endswith(".ipynb"):
            assert (PUBLISHED / target).exists(), target
        else:
            assert target.startswith("https://"), target
    players = [
        p for p in page_of(name).select(".takes") if not p.find_parent(class_="cell")
    ]
    assert seen["note"] == 1 + len(players)
    last = texts(published(name))[-2]
    assert last.source.startswith("## References") == (seen["works"] > 0)


def test_the_chapters_are_a_chain():
    names = with_cells()
    for before, name, after in zip(
        [None, *names], names, [*names[1:], None], strict=False
    ):
        foot = texts(published(name))[-1].source
        if before:
            assert f"({before}.ipynb)" in foot
        if after:
            assert f"({after}.ipynb)" in foot


@each_chapter
def test_a_notebook_is_light(name: str):
    assert (PUBLISHED / f"{name}.ipynb").stat().st_size < 5_000_000


def test_there_is_one_copy_of_each_notebook():
    assert list((SITE / "_sources").glob("*.ipynb")) == []
    assert {p.stem for p in (SITE / "notebooks").glob("*.ipynb")} == set(with_cells())
    for name in with_cells():
        path = f"{name}.ipynb"
        copy = (SITE / "notebooks" / path).read_bytes()
        assert (PUBLISHED / path).read_bytes() == copy


@each_chapter
def test_a_source_says_where_the_readable_chapter_is_and_the_page_does_not(name: str):
    source = (ROOT / "book" / f"{name}.md").read_text("utf8")
    assert ":class: source-only" in source[: source.index("```{code-cell}")]
    assert "You are looking at the source" not in page_of(name).get_text()
    everything = (PUBLISHED / f"{name}.ipynb").read_text("utf8")
    assert "You are looking at the source" not in everything
