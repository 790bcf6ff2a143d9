"""Pages can be used by everybody: by axe's rules, by keyboard, enlarged, unscripted."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from visiting import (
    DARK,
    DESKTOP,
    FIND_OVERFLOW,
    PHONE,
    SITE,
    lessons,
    listen,
    pages,
    table_of_contents,
)

each_page = pytest.mark.parametrize("name", pages())

RUN_AXE = """async rules => {
    const options = {resultTypes: ["violations"]};
    if (rules) options.runOnly = {type: "rule", values: rules};
    const found = await axe.run(document, options);
    return found.violations.flatMap(violation => violation.nodes.slice(0, 3).map(
        node => `${violation.id}: ${node.html.slice(0, 150)} `
            + node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe-core."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("axe.min.js").read_text("utf8")


@pytest.fixture(scope="module")
def page(browser: Browser):
    context = DESKTOP.open(browser, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@each_page
def test_axe_finds_nothing(page: Page, address: str, axe: str, name: str):
    found = {}
    page.set_viewport_size({"width": DESKTOP.width, "height": DESKTOP.height})
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}{name}.html")
    page.evaluate(axe)
    page.evaluate(
        "document.querySelectorAll('button.toggle-button-hidden')"
        ".forEach(button => button.click())"
    )
    page.wait_for_timeout(500)  # what opens fades in
    found["desktop"] = page.evaluate(RUN_AXE, None)
    # On the ground of another theme only the contrast is another.
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.wait_for_timeout(300)  # colors fade
    found["dark"] = page.evaluate(RUN_AXE, ["color-contrast"])
    page.set_viewport_size({"width": PHONE.width, "height": PHONE.height})
    found["phone, dark"] = page.evaluate(RUN_AXE, ["color-contrast"])
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(500)
    found["phone"] = page.evaluate(RUN_AXE, None)
    assert {form: bad for form, bad in found.items() if bad} == {}


@each_page
def test_headings_go_down_one_step_at_a_time(page: Page, address: str, name: str):
    page.goto(f"{address}{name}.html")
    levels = page.evaluate(
        "[...document.querySelectorAll('main :is(h1, h2, h3, h4, h5, h6)')]"
        ".filter(h => h.getClientRects().length).map(h => Number(h.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels


@each_page
def test_tables_have_heads(page: Page, address: str, name: str):
    page.goto(f"{address}{name}.html")
    bare = page.evaluate(
        "[...document.querySelectorAll('main table:not(.indextable)')]"
        ".filter(table => !table.querySelector('th')).length"
    )
    assert bare == 0


@each_page
def test_a_page_at_twice_the_size_loses_nothing(page: Page, address: str, name: str):
    # What a window of 1280 pixels shows at 200 % is what one of 640 shows.
    page.set_viewport_size({"width": 640, "height": 450})
    page.goto(f"{address}{name}.html")
    assert page.evaluate(FIND_OVERFLOW) == []


@pytest.mark.parametrize("form", [DESKTOP, DARK], ids=lambda form: form.name)
def test_where_the_keyboard_is_can_be_seen(browser: Browser, address: str, form):
    context = form.open(browser)
    page = context.new_page()
    page.goto(f"{address}{lessons()[0]}.html")
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
    page.goto(f"{address}{lessons()[0]}.html")
    page.wait_for_function("document.readyState === 'complete'")
    unreached = page.evaluate(
        """() => [...document.querySelectorAll("main pre")].filter(pre =>
            pre.scrollWidth > pre.clientWidth && pre.tabIndex < 0
            && pre.getClientRects().length).map(pre => pre.textContent.slice(0, 60))"""
    )
    assert unreached == []
    context.close()


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("thrown", "clipping.html"),  # only in the caption of a figure and its prose
        ("set_seed", ""),  # only in code
        ("landscape brute", "loss.html"),
    ],
)
def test_search_finds_words_of_captions_and_code(
    page: Page, address: str, words: str, target: str
):
    page.set_viewport_size({"width": DESKTOP.width, "height": DESKTOP.height})
    page.goto(f"{address}search.html?q={words.replace(' ', '+')}")
    results = page.locator("#search-results li a")
    expect(results.first).to_be_visible()
    found = [link.get_attribute("href") or "" for link in results.all()]
    assert any(target in address for address in found), found


def test_search_works_from_a_folder(page: Page):
    problems = listen(page, "")
    page.goto((SITE / "search.html").as_uri() + "?q=percentile")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert [problem for problem in problems if "asks another" in problem] == []


def test_a_term_says_what_it_means(page: Page, address: str):
    page.goto(f"{address}{lessons()[0]}.html")
    terms = page.locator("main a[href*='glossary.html#term-']").all()
    assert terms
    for term in terms:
        assert len((term.get_attribute("title") or "").split()) >= 5


@each_page
def test_a_page_describes_itself(page: Page, address: str, name: str):
    page.goto(f"{address}{name}.html")

    def content(selector: str) -> str:
        return page.locator(selector).get_attribute("content") or ""

    if name == "404":
        assert content("meta[name=robots]") == "noindex"
        return
    text = content("meta[name=description]")
    assert 40 <= len(text) <= 160
    assert content("meta[property='og:description']") == text
    assert content("meta[property='og:image']").endswith("_static/card.png")
    assert page.locator("h1 a.headerlink, h2 a.headerlink").count() or name in {
        "genindex",
        "search",
        "status",
    }


def test_without_scripts_all_pages_can_be_read(browser: Browser, address: str):
    context = DESKTOP.open(browser, java_script_enabled=False)
    page = context.new_page()
    for name in table_of_contents():
        page.goto(f"{address}{name}.html", wait_until="domcontentloaded")
        expect(page.locator("article h1")).to_be_visible()
        expect(page.locator(".bd-links a").first).to_be_visible()
    context.close()
