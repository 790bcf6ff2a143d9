"""A published notebook, opened by a reader in the Lab that Binder opens."""

import re
from collections.abc import Iterator

import pytest
from launching import Server, published
from playwright.sync_api import Browser, Locator, Page, expect
from reading import page_of

SECONDS = 1000  # of milliseconds

# What MyST and Markdown leave behind where a viewer does not understand them.
TRACES = re.compile(
    r"\{[a-z:]+\}`|:::|```|\{glue|⚠|^:\w+:|\*\*|</?(?:details|summary)|\$|\\\[|^> ",
    flags=re.MULTILINE,
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120 * SECONDS)
    yield page
    page.context.close()


def opened(page: Page, server: Server, name: str) -> Locator:
    """Open a chapter's notebook, and return it when its last cell is drawn."""
    page.goto(f"{server.url}lab/tree/{name}.ipynb?token={server.token}")
    notebook = page.locator(".jp-NotebookPanel .jp-Notebook")
    last = notebook.locator(".jp-MarkdownCell").last
    expect(last.locator(".jp-MarkdownOutput a").first).to_be_attached(
        timeout=120 * SECONDS
    )
    count = sum(cell.cell_type == "markdown" for cell in published(name).cells)
    drawn = notebook.locator(".jp-MarkdownCell .jp-MarkdownOutput")
    expect(drawn).to_have_count(count, timeout=60 * SECONDS)
    return notebook


def words(notebook: Locator) -> str:
    """Return the text of a notebook's Markdown cells, without code and formulas."""
    said: str = notebook.evaluate(
        """notebook => {
          const cells = notebook.querySelectorAll('.jp-MarkdownOutput')
          return [...cells].map(cell => {
            const copy = cell.cloneNode(true)
            copy.querySelectorAll('pre, code, mjx-container, .math, .katex')
                .forEach(part => part.remove())
            return copy.textContent
          }).join('\\n')
        }"""
    )
    return said


def check_text(notebook: Locator, name: str) -> None:
    """Compare what a viewer shows with the page, and look for what it should not."""
    said = words(notebook)
    assert TRACES.findall(said) == []
    squeezed = re.sub(r"\s+", "", said)
    page = page_of(name)
    for figure in page.select(".cell figure"):
        caption = figure.select_one("figcaption")
        assert caption is not None
        for formula in caption.select("math"):
            formula.decompose()
        text = re.sub(r"\s+", "", caption.get_text()).removesuffix("#")
        assert text.translate(str.maketrans("[]", "()")) in squeezed, text
        alternative = next(i["alt"] for i in figure.select("img") if i.get("alt"))
        assert re.sub(r"\s+", "", str(alternative)) in squeezed
    for number in page.select("p > .pasted-text"):
        assert re.sub(r"\s+", "", number.get_text()) in squeezed
    for title in page.select(".solution > .admonition-title"):
        assert re.sub(r"\s+", "", title.get_text()) in squeezed
    # Solutions are there, and closed.
    folded = notebook.locator("details")
    assert folded.count() == len(page.select(".cell figure")) + len(
        page.select("div.solution")
    )
    assert notebook.locator("details[open]").count() == 0


def test_a_chapter_reads_like_its_page_where_binder_opens_it(
    page: Page, server: Server
):
    # The text of every chapter is compared with its page in `test_published`.
    name = "line"
    notebook = opened(page, server, name)
    check_text(notebook, name)
    # Every figure is to be seen before anything ran.
    pictures = notebook.locator(
        ".jp-OutputArea-output:is(.jp-RenderedImage, .jp-RenderedSVG, "
        ".jp-RenderedHTMLCommon:has(.ex-notebook, img[src^='data:image/svg']))"
    )
    expect(pictures).to_have_count(len(page_of(name).select(".cell figure")))
    # And what is folded is folded.
    hidden = notebook.locator(".jp-CodeCell .jp-InputPlaceholder, .jp-Placeholder")
    folded = sum("jupyter" in cell.metadata for cell in published(name).cells)
    assert hidden.count() >= folded
    assert page.locator(".Toastify__toast").count() == 0
