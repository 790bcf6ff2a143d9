"""The address that the Binder button opens, in a real browser."""

import re

import pytest
from launching import Server
from playwright.sync_api import Browser, expect

SECONDS = 1000  # of milliseconds


@pytest.mark.parametrize("name", ["loss"])  # it has figures to touch, and runs soon
def test_the_launch_address_opens_a_notebook_that_runs(
    browser: Browser, server: Server, name: str
):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60 * SECONDS)
    page.goto(f"{server.url}lab/tree/book/{name}.md?token={server.token}")

    # A notebook, not a text in an editor.
    notebook = page.locator(".jp-NotebookPanel")
    first = notebook.locator(".jp-CodeCell").first
    expect(first).to_be_visible(timeout=90 * SECONDS)
    assert page.locator(".jp-FileEditor").count() == 0

    # MyST is shown, not its source.
    text = notebook.locator(".jp-MarkdownCell").first
    expect(text.locator("aside.admonition, aside")).to_be_visible(timeout=30 * SECONDS)
    assert re.search(r":::|\{admonition\}|\$", text.inner_text()) is None

    # No question lies on top of it.
    assert page.locator(".Toastify__toast").count() == 0

    # What is asked of a kernel before it is there is lost.
    kernel = notebook.locator(".jp-Notebook-ExecutionIndicator")
    expect(kernel).to_have_attribute("data-status", "idle", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # The first cell imports PyTorch.
    prompt = first.locator(".jp-InputArea-prompt")
    expect(prompt).to_have_text("[1]:", timeout=120 * SECONDS)
    picture = notebook.locator(".jp-RenderedSVG").first
    expect(picture).to_be_visible(timeout=60 * SECONDS)

    # Figures to touch are alive, and leave the notebook's address alone.
    alive = notebook.locator(".explorable.ex-live")
    expect(alive).to_have_count(2, timeout=60 * SECONDS)
    address = page.url
    for box in alive.all():
        box.scroll_into_view_if_needed()  # JupyterLab draws what is in sight
        said = box.locator(".ex-say")
        expect(said).not_to_be_empty()
        before = said.inner_text()
        box.locator("input[type=range]").first.focus()
        page.keyboard.press("ArrowRight")
        expect(said).not_to_have_text(before)
    page.wait_for_timeout(500)  # on a page the state would be in the address by now
    assert page.url == address
    page.context.close()
