"""Pages can be used by everybody: by keyboard, by touch, without scripts."""

from collections.abc import Iterator

import pytest
from auditing import RUN_CONTRAST, axe
from playwright.sync_api import Browser, Page, expect
from visiting import DARK, DESKTOP, PHONE, Form, listen

from book import SITE, with_exercises


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = DESKTOP.open(browser, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def size(page: Page, form: Form) -> None:
    page.set_viewport_size({"width": form.width, "height": form.height})


def test_links_in_tables_look_like_others(page: Page, address: str):
    size(page, DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}glossary.html")
    colors = page.evaluate(
        """() => ["table", "dd"].map(where =>
            getComputedStyle(document.querySelector(`main ${where} a`)).color)"""
    )
    assert colors[0] == colors[1]


def test_axe_sees_one_pale_word_on_a_page(page: Page, address: str):
    size(page, DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}{with_exercises()[0]}.html")
    page.evaluate(axe())
    assert page.evaluate(RUN_CONTRAST, [])["bad"] == []
    # One word, in the middle of the text.
    page.evaluate(
        """() => {
            const paragraphs = [...document.querySelectorAll("article p")].filter(
                p => p.checkVisibility());  // some are folded
            const word = document.createElement("span");
            word.textContent = "pale";
            word.style.color = "#999";
            paragraphs[Math.floor(paragraphs.length / 2)].append(word);
        }"""
    )
    (bad,) = page.evaluate(RUN_CONTRAST, [])["bad"]
    assert "pale" in bad


@pytest.mark.parametrize("form", [DESKTOP, DARK], ids=lambda form: form.name)
def test_where_the_keyboard_is_can_be_seen(browser: Browser, address: str, form):
    context = form.open(browser)
    page = context.new_page()
    page.goto(f"{address}{with_exercises()[0]}.html")
    unseen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth)
                    || style.boxShadow !== "none";
            }"""
        )
        if not seen:
            unseen.append(
                page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
            )
    assert unseen == []
    context.close()


def test_code_that_scrolls_is_reached_by_keyboard(browser: Browser, address: str):
    context = PHONE.open(browser)
    page = context.new_page()
    page.goto(f"{address}{with_exercises()[0]}.html")
    page.evaluate(
        """() => {  // what is folded, and what comes later
            for (const fold of document.querySelectorAll("details")) fold.open = true;
            const output = document.createElement("div");
            output.innerHTML = `<pre>${"later ".repeat(99)}</pre>`;
            output.firstChild.style.overflow = "auto";
            document.querySelector("div.cell").append(output);
        }"""
    )
    page.evaluate("new Promise(done => setTimeout(done, 100))")
    wide = page.evaluate(
        """() => [...document.querySelectorAll("main pre")].filter(pre =>
            pre.scrollWidth > pre.clientWidth && pre.getClientRects().length)
            .map(pre => [pre.tabIndex, pre.textContent.slice(0, 60)])"""
    )
    assert [text for reached, text in wide if reached < 0] == []
    assert any(text.startswith("later") for _, text in wide)
    context.close()


def test_search_works_from_a_folder(page: Page):
    problems = listen(page, "")
    page.goto((SITE / "search.html").as_uri() + "?q=percentile")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert [problem for problem in problems if "asks another" in problem] == []


MEANINGS = ["a[href*='glossary.html#term-']", "a[href*='references.html#']"]


@pytest.mark.parametrize("kind", MEANINGS)
def test_what_a_link_means_is_shown_by_mouse_and_by_keyboard(
    page: Page, address: str, kind: str
):
    page.set_viewport_size({"width": DESKTOP.width, "height": DESKTOP.height})
    page.goto(f"{address}clipping.html")
    link = page.locator(f"article p > {kind}, article p .bibtex-citation {kind}").first
    box = page.locator(f"#{link.get_attribute('aria-describedby')}")
    link.scroll_into_view_if_needed()
    expect(box).to_be_hidden()
    link.hover()
    expect(box).to_be_in_viewport(ratio=1)
    box.hover()  # what is shown can be reached, and stays
    page.wait_for_timeout(400)
    expect(box).to_be_visible()
    page.mouse.move(1, 1)
    expect(box).to_be_hidden()

    # The keys, from the stop before it: no mouse, so the ring is seen.
    link.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(box).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(link).to_be_focused()


def test_what_a_link_means_is_shown_by_the_first_tap(browser: Browser, address: str):
    context = PHONE.open(browser, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}clipping.html")
    link = page.locator(f"article p > {MEANINGS[0]}").first
    box = page.locator(f"#{link.get_attribute('aria-describedby')}")
    link.tap()
    expect(box).to_be_in_viewport(ratio=1)
    page.locator("article h1").tap()
    expect(box).to_be_hidden()
    link.tap()
    box.get_by_role("link", name="Glossary").tap()
    page.wait_for_url("**/glossary.html#term-*")
    # Where one lands, the entry is marked, and leads back to the link.
    entry = page.locator("dl.glossary dt:target")
    expect(entry).to_be_in_viewport()
    entry.locator("xpath=following-sibling::dd[1]").get_by_role(
        "link", name="Gradient clipping"
    ).last.tap()
    page.wait_for_url("**/clipping.html#leads-to-term-*")
    context.close()


def test_without_scripts_pages_can_be_read(browser: Browser, address: str):
    context = DESKTOP.open(browser, java_script_enabled=False)
    page = context.new_page()
    for name in ("index", with_exercises()[0], "api"):  # all others are laid out alike
        page.goto(f"{address}{name}.html", wait_until="domcontentloaded")
        expect(page.locator("article h1")).to_be_visible()
        expect(page.locator(".bd-links a").first).to_be_visible()
    context.close()
