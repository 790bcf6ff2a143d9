"""The published notebooks, opened by a reader, in a real browser.

In the Lab that Binder opens, in its Notebook 7, and in a Lab with jupyterlab-myst,
which reads Markdown its own way.

To open every chapter in every viewer would take an hour (`test_published` compares the
text of all). Text does not depend on what stands beside it, so the Markdown cells of
some chapters are opened as one notebook. (jupyterlab-myst goes through the whole
notebook for each cell: it gets one chapter.)
"""

import re
from copy import copy

import pytest
from launching import Server, published
from nbformat.v4 import new_markdown_cell, new_notebook
from playwright.sync_api import Locator, Page, expect
from reading import page_of, texts

from book import with_cells

SECONDS = 1000  # of milliseconds

# What MyST and Markdown leave behind where a viewer does not understand them.
TRACES = re.compile(
    r"\{[a-z:]+\}`|:::|```|\{glue|⚠|^:\w+:|\*\*|</?(?:details|summary)|\$|\\\[|^> ",
    flags=re.MULTILINE,
)

# What Markdown cells become: the Lab's own, and jupyterlab-myst's.
TEXTS = ".jp-MarkdownCell :is(.jp-MarkdownOutput, .myst)"

# Stands before each chapter's text in the notebook with many texts.
BEGINS = "The text of {}.md begins here."

# Fixture of the server, where the viewer is, and which chapters it opens.
VIEWERS = {
    "Binder's Lab": ("server", "lab/tree", slice(1, 4)),
    "Notebook 7": ("server", "notebooks", slice(1, 4)),
    "Lab with jupyterlab-myst": ("bare_server", "lab/tree", slice(1, 2)),
}


def opened(page: Page, address: str, server: Server, drawn: int) -> Locator:
    """Open a notebook; return it when so many of its Markdown cells are drawn."""
    # Without what a Lab has open from before.
    page.goto(f"{server.url}{address}?reset&token={server.token}")
    notebook = page.locator(".jp-NotebookPanel .jp-Notebook")
    cells = notebook.locator(TEXTS)
    expect(cells).to_have_count(drawn, timeout=180 * SECONDS)
    # They are filled one after the other; the last line of a notebook has links.
    expect(cells.last.locator("a").first).to_be_attached(timeout=180 * SECONDS)
    return notebook


def words(notebook: Locator) -> str:
    """Return the text of a notebook's Markdown cells, without code and formulas."""
    text: str = notebook.evaluate(
        """(notebook, texts) => {
          const cells = notebook.querySelectorAll(texts)
          return [...cells].map(cell => {
            const copy = cell.cloneNode(true)
            copy.querySelectorAll('pre, code, mjx-container, .math, .katex')
                .forEach(part => part.remove())
            return copy.textContent
          }).join('\\n')
        }""",
        TEXTS,
    )
    return text


def check_text(text: str, name: str) -> None:
    """Compare what a viewer shows with the page, and look for what it should not."""
    assert TRACES.findall(text) == []
    squeezed = re.sub(r"\s+", "", text)
    page = page_of(name)
    for figure in page.select(".cell figure"):
        caption = figure.select_one("figcaption")
        assert caption is not None
        caption = copy(caption)
        for formula in caption.select("math"):
            formula.decompose()
        shown = re.sub(r"\s+", "", caption.get_text()).removesuffix("#")
        assert shown.translate(str.maketrans("[]", "()")) in squeezed, shown
        alternative = next(i["alt"] for i in figure.select("img") if i.get("alt"))
        assert re.sub(r"\s+", "", str(alternative)) in squeezed
    for number in page.select("p > .pasted-text"):
        assert re.sub(r"\s+", "", number.get_text()) in squeezed
    for title in page.select(".solution > .admonition-title"):
        assert re.sub(r"\s+", "", title.get_text()) in squeezed


@pytest.mark.parametrize("viewer", VIEWERS)
def test_chapters_read_like_their_pages(
    page: Page, viewer: str, request: pytest.FixtureRequest
):
    fixture, folder, which = VIEWERS[viewer]
    server: Server = request.getfixturevalue(fixture)
    names = with_cells()[which]
    cells = []
    for name in names:
        notebook = published(name)
        cells += [new_markdown_cell(BEGINS.format(name)), *texts(notebook)]
    everything = new_notebook(cells=cells, metadata=notebook.metadata)
    server.call("PUT", "api/contents/texts.ipynb", type="notebook", content=everything)

    shown = opened(page, f"{folder}/texts.ipynb", server, len(cells))
    rest = words(shown)
    for name in reversed(names):
        rest, _, text = rest.partition(BEGINS.format(name))
        check_text(text, name)
    assert page.locator(".Toastify__toast").count() == 0

    # Solutions are there, and closed; one opens with its code and its formulas.
    assert shown.locator("details").count() == sum(
        len(page_of(name).select(".cell figure, .solution, .hint")) for name in names
    )
    assert shown.locator("details[open]").count() == 0
    solution = shown.locator("details", has_text="Two units in a row")
    code = solution.locator("pre", has_text="def collapse")
    assert not code.is_visible()
    solution.locator("summary").click()
    expect(code).to_be_visible()
    if fixture == "server":  # jupyterlab-myst draws formulas its own way
        formula = solution.locator("mjx-container, .katex, .math")
        expect(formula.first).to_be_visible()


def test_a_launched_chapter_runs_to_its_end(page: Page, server: Server):
    # It has figures to touch, and runs soon.
    chapter = published("loss")
    shown = opened(page, "lab/tree/loss.ipynb", server, len(texts(chapter)))

    # Before anything ran: every figure is to be seen, what is folded is folded, and
    # figures to touch are alive, as the notebook is trusted.
    pictures = shown.locator(
        ".jp-OutputArea-output:is(.jp-RenderedImage, .jp-RenderedSVG, "
        ".jp-RenderedHTMLCommon:has(.ex-notebook, img[src^='data:image/svg']))"
    )
    expect(pictures).to_have_count(len(page_of("loss").select(".cell figure")))
    hidden = shown.locator(".jp-CodeCell .jp-InputPlaceholder, .jp-Placeholder")
    folded = sum("jupyter" in cell.metadata for cell in chapter.cells)
    assert hidden.count() >= folded > 0
    alive = shown.locator(".explorable.ex-live")
    expect(alive).to_have_count(2, timeout=60 * SECONDS)
    expect(shown.locator(".ex-asleep:visible")).to_have_count(0)
    # To read a notebook is no change of it.
    expect(page.locator(".lm-TabBar-tab.jp-mod-current.jp-mod-dirty")).to_have_count(0)

    kernel = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(kernel).to_have_attribute("data-status", "idle", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    code = sum(cell.cell_type == "code" for cell in chapter.cells)
    last = shown.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(f"[{code}]:", timeout=300 * SECONDS)
    check_text(words(shown), "loss")

    # They are alive, and leave the notebook's address alone.
    expect(alive).to_have_count(2, timeout=60 * SECONDS)
    address = page.url
    for box in alive.all():
        box.scroll_into_view_if_needed()
        sentence = box.locator(".ex-say")
        expect(sentence).not_to_be_empty()
        before = sentence.inner_text()
        box.locator("input[type=range]").first.focus()
        page.keyboard.press("ArrowRight")
        expect(sentence).not_to_have_text(before)
    page.wait_for_timeout(500)  # on a page the state would be in the address by now
    assert page.url == address

    # The way to the next chapter opens its notebook.
    forward = shown.locator(".jp-MarkdownCell").last.get_by_role("link").last
    file = str(forward.get_attribute("href")).partition(".ipynb")[0].split("/")[-1]
    forward.click()
    tab = page.locator(".lm-TabBar-tabLabel", has_text=f"{file}.ipynb")
    expect(tab).to_be_visible(timeout=60 * SECONDS)
