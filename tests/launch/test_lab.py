"""The published notebooks, opened by a reader, in a real browser.

In the Lab that Binder opens, in a Lab with jupyterlab-myst, which reads Markdown its
own way, and in Notebook 7. In the last two nothing is trusted, as in a download.
"""

import re
from collections.abc import Iterator

import pytest
from launching import Server, published
from playwright.sync_api import Browser, Locator, Page, expect
from reading import page_of

from book import with_cells

SECONDS = 1000  # of milliseconds

# What MyST and Markdown leave behind where a viewer does not understand them.
TRACES = re.compile(
    r"\{[a-z:]+\}`|:::|```|\{glue|⚠|^:\w+:|\*\*|</?(?:details|summary)|\$|\\\[|^> ",
    flags=re.MULTILINE,
)

VIEWERS = ("Binder's Lab", "Lab with jupyterlab-myst", "Notebook 7")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120 * SECONDS)
    yield page
    page.context.close()


def opened(page: Page, server: Server, viewer: str, name: str) -> Locator:
    """Open a chapter's notebook, and return it when its last cell is drawn."""
    folder = "notebooks" if viewer == "Notebook 7" else "lab/tree"
    page.goto(f"{server.url}{folder}/{name}.ipynb?token={server.token}")
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


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("name", with_cells())
def test_a_chapter_reads_like_its_page(
    page: Page, server: Server, bare_server: Server, viewer: str, name: str
):
    notebook = opened(
        page, server if viewer == VIEWERS[0] else bare_server, viewer, name
    )
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


def test_a_launched_chapter_runs_to_its_end(page: Page, server: Server):
    # It has figures to touch, and runs soon.
    notebook = opened(page, server, VIEWERS[0], "loss")

    # It is trusted: figures to touch are alive before anything ran.
    alive = notebook.locator(".explorable.ex-live")
    expect(alive).to_have_count(2, timeout=60 * SECONDS)

    kernel = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(kernel).to_have_attribute("data-status", "idle", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    code = sum(cell.cell_type == "code" for cell in published("loss").cells)
    last = notebook.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(f"[{code}]:", timeout=300 * SECONDS)
    check_text(notebook, "loss")

    # They are alive, and leave the notebook's address alone.
    expect(alive).to_have_count(2, timeout=60 * SECONDS)
    address = page.url
    for box in alive.all():
        box.scroll_into_view_if_needed()
        said = box.locator(".ex-say")
        expect(said).not_to_be_empty()
        before = said.inner_text()
        box.locator("input[type=range]").first.focus()
        page.keyboard.press("ArrowRight")
        expect(said).not_to_have_text(before)
    page.wait_for_timeout(500)  # on a page the state would be in the address by now
    assert page.url == address


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_solution_opens_with_its_code_and_formulas(
    page: Page, server: Server, bare_server: Server, viewer: str
):
    notebook = opened(
        page, server if viewer == VIEWERS[0] else bare_server, viewer, "line"
    )
    solution = notebook.locator("details", has_text="Two units in a row")
    formula = solution.locator("mjx-container, .katex, .math").first
    assert not formula.is_visible()
    solution.locator("summary").click()
    expect(formula).to_be_visible()
    expect(solution.locator("pre", has_text="def collapse")).to_be_visible()


def test_a_link_to_a_chapter_opens_its_notebook(page: Page, server: Server):
    notebook = opened(page, server, VIEWERS[0], "line")
    notebook.get_by_role("link", name="Loss and brute force").last.click()
    tab = page.locator(".lm-TabBar-tabLabel", has_text="loss.ipynb")
    expect(tab).to_be_visible(timeout=60 * SECONDS)
