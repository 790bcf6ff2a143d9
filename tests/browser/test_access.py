"""Pages can be used by everybody: by axe's rules, by keyboard, enlarged, unscripted."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from visiting import (
    DARK,
    DESKTOP,
    FIND_OVERFLOW,
    PHONE,
    Form,
    listen,
    pages,
    wait_for_late_script,
)

from book import SITE, table_of_contents, with_exercises

each_page = pytest.mark.parametrize("name", pages())

RUN_AXE = """async () => {
    const found = await axe.run(document, {
        resultTypes: ["violations"], rules: {"color-contrast": {enabled: false}}});
    return found.violations.flatMap(violation => violation.nodes.slice(0, 3).map(
        node => `${violation.id}: ${node.html.slice(0, 150)} `
            + node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)));
}"""
# Words and colors of a page are the same on a phone. What a phone has instead of what
# a desktop has (menus, narrow pictures, controls, takes, wide tables) is on these.
ALSO_ON_A_PHONE = {"index", "optimizers", "separation", "published", "search"}

# Contrast is a matter of the color, size and weight of letters and of the grounds
# below them. Pages have thousands of words, but few such ways of writing; of each
# some words are asked for, on the first page that has it.
RUN_CONTRAST = """async known => {
    const ways = new Map();
    const written = element => ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName)
        || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE
            && node.textContent.trim());
    for (const element of document.body.querySelectorAll("*")) {
        if (!element.getClientRects().length || !element.checkVisibility()
            || !written(element)) continue;  // folded: it has a box and is not seen
        const style = getComputedStyle(element);
        const way = [style.color, style.fontSize, style.fontWeight, style.position];
        if (element.closest("svg")) way.push(style.fill);
        for (let e = element; e; e = e.parentElement) {
            const {opacity, backgroundImage, backgroundColor} = getComputedStyle(e);
            if (opacity !== "1") way.push(opacity);
            if (backgroundImage !== "none") way.push(backgroundImage);
            if (backgroundColor === "rgba(0, 0, 0, 0)") continue;
            way.push(backgroundColor);
            if (!backgroundColor.startsWith("rgba")) break;
        }
        const key = way.join("; ");
        ways.set(key, [...(ways.get(key) ?? []), element]);
    }
    const some = [...ways].flatMap(([way, [first, ...more]]) =>
        known.includes(way) ? [] : [first, ...more.slice(-1)]);
    const found = some.length ? await axe.run({include: some}, {
        resultTypes: ["violations"],
        runOnly: {type: "rule", values: ["color-contrast"]}}) : {violations: []};
    return {ways: [...ways.keys()], bad: found.violations.flatMap(violation =>
        violation.nodes.slice(0, 3).map(node => node.html.slice(0, 150)
            + node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)))};
}"""
# For all other rules, code is words: its colors are thousands of elements.
TAKE_COLORS_FROM_CODE = """() => {
    for (const pre of document.querySelectorAll("pre"))
        if (!pre.querySelector(":not(span)")) pre.textContent = pre.textContent;
}"""

# What is there while one points or scrolls counts as well.
SHOW_ALL = """() => {
    const style = document.createElement("style");
    style.textContent = `a.headerlink { visibility: visible !important; }
        #pst-back-to-top { display: block !important; }`;
    document.head.append(style);
}"""

# What is seen without words: icons, and the edges of fields (WCAG 1.4.11).
FIND_PALE_PARTS = """() => {
    const canvas = document.createElement("canvas").getContext(
        "2d", {willReadFrequently: true});
    const read = color => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [R, G, B]) =>
        [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const ground = element => {
        if (!element) return [255, 255, 255, 1];
        const own = read(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own : over(own, ground(element.parentElement));
    };
    const light = color => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const part = color[i] / 255;
        return sum + weight
            * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
    const contrast = (a, b) => {
        const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
        return (bright + 0.05) / (dark + 0.05);
    };
    const pale = [];
    const fields = `main :is(select, textarea, input:is([type=text], [type=number],
        [type=search], :not([type])))`;
    for (const element of document.querySelectorAll(`[class*=" fa-"], ${fields}`)) {
        if (!element.getClientRects().length) continue;
        const under = ground(element.parentElement);
        const parts = [ground(element)];
        // A field may be framed by what holds its icon, too.
        const frame = element.closest("form.bd-search") ?? element;
        const {borderBottomWidth, borderBottomColor} = getComputedStyle(frame);
        if (borderBottomWidth !== "0px")
            parts.push(over(read(borderBottomColor), under));
        const best = Math.max(...parts.map(part => contrast(part, under)));
        if (best < 3)
            pale.push(`${best.toFixed(2)}: ${element.outerHTML.slice(0, 120)}`);
    }
    return pale;
}"""

READ_HEADINGS = """() =>
    [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
    .filter(h => h.getClientRects().length).map(h => Number(h.tagName[1]))"""
COUNT_HEADLESS_TABLES = """() =>
    [...document.querySelectorAll("main table:not(.indextable)")]
    .filter(table => !table.querySelector("th")).length"""
READ_DESCRIPTIONS = """() => Object.fromEntries(
    [...document.querySelectorAll("meta[content]")].map(
        meta => [meta.name || meta.getAttribute("property"), meta.content]))"""
COUNT_LINKS_OF_HEADINGS = """() => document.querySelectorAll(
    "h1 a.headerlink, h2 a.headerlink").length"""


@dataclass(frozen=True)
class Audit:
    """What one visit of a page found.

    Attributes
    ----------
    violations : dict of str to list of str
        What axe says, by how the page was looked at.
    ways : int
        In how many ways words are written on it.
    headings : list of int
        Their levels.
    headless : int
        How many tables have no head.
    overflow : list of str
        What sticks out when the page is enlarged to 200 %.
    says : dict of str to str
        How it describes itself, by the names of its `meta` elements.
    links_of_headings : int
    """

    violations: dict[str, list[str]]
    ways: int
    headings: list[int]
    headless: int
    overflow: list[str]
    says: dict[str, str]
    links_of_headings: int


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe-core."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("axe.min.js").read_text("utf8")


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = DESKTOP.open(browser, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def size(page: Page, form: Form) -> None:
    page.set_viewport_size({"width": form.width, "height": form.height})


@pytest.fixture(scope="module")
def audit(page: Page, address: str, axe: str) -> Callable[[str], Audit]:
    """Return a function that visits a page, once."""
    known: set[str] = set()  # ways of writing, of pages without a fault

    def contrast(form: str, found: dict[str, list[str]]) -> int:
        answer = page.evaluate(RUN_CONTRAST, list(known))
        found[form] = answer["bad"] + page.evaluate(FIND_PALE_PARTS)
        if not answer["bad"]:
            known.update(answer["ways"])
        return len(answer["ways"])

    @cache
    def visit(name: str) -> Audit:
        size(page, DESKTOP)
        page.emulate_media(color_scheme="dark")
        page.goto(f"{address}{name}.html")
        wait_for_late_script(page, name)
        headings = page.evaluate(READ_HEADINGS)
        # What a window of 1280 pixels shows at 200 % is what one of 640 shows.
        page.set_viewport_size({"width": 640, "height": 450})
        overflow = page.evaluate(FIND_OVERFLOW)
        size(page, DESKTOP)
        page.evaluate(axe)
        page.evaluate(
            "document.querySelectorAll('details.dropdown')"
            ".forEach(details => { details.open = true; })"
        )
        page.wait_for_timeout(500)  # what opens fades in
        page.evaluate(SHOW_ALL)
        violations: dict[str, list[str]] = {}
        contrast("dark", violations)
        page.emulate_media(forced_colors="active")
        violations["forced colors"] = page.evaluate(FIND_PALE_PARTS)
        page.emulate_media(forced_colors="none")
        if name in ALSO_ON_A_PHONE:
            size(page, PHONE)
            contrast("phone, dark", violations)
        page.emulate_media(color_scheme="light")
        page.wait_for_function("document.documentElement.dataset.theme === 'light'")
        page.wait_for_timeout(300)  # colors fade
        if name in ALSO_ON_A_PHONE:
            contrast("phone", violations)
            violations["phone"] += page.evaluate(RUN_AXE)
            size(page, DESKTOP)
            page.wait_for_timeout(300)
        ways = contrast("desktop", violations)
        page.evaluate(TAKE_COLORS_FROM_CODE)
        violations["desktop"] += page.evaluate(RUN_AXE)
        return Audit(
            violations=violations,
            ways=ways,
            headings=headings,
            headless=page.evaluate(COUNT_HEADLESS_TABLES),
            overflow=overflow,
            says=page.evaluate(READ_DESCRIPTIONS),
            links_of_headings=page.evaluate(COUNT_LINKS_OF_HEADINGS),
        )

    return visit


@each_page
def test_axe_finds_nothing(audit: Callable[[str], Audit], name: str):
    found = audit(name)
    assert {form: bad for form, bad in found.violations.items() if bad} == {}
    # On every page there are at least a title, a text, and a link.
    assert found.ways >= 5


def test_links_in_tables_look_like_others(page: Page, address: str):
    size(page, DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}glossary.html")
    colors = page.evaluate(
        """() => ["table", "dd"].map(where =>
            getComputedStyle(document.querySelector(`main ${where} a`)).color)"""
    )
    assert colors[0] == colors[1]


def test_axe_sees_one_pale_word_on_a_page(page: Page, address: str, axe: str):
    size(page, DESKTOP)
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}{with_exercises()[0]}.html")
    page.evaluate(axe)
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


@each_page
def test_headings_go_down_one_step_at_a_time(audit: Callable[[str], Audit], name: str):
    levels = audit(name).headings
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels


@each_page
def test_tables_have_heads(audit: Callable[[str], Audit], name: str):
    assert audit(name).headless == 0


@each_page
def test_a_page_at_twice_the_size_loses_nothing(
    audit: Callable[[str], Audit], name: str
):
    assert audit(name).overflow == []


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


@each_page
def test_a_page_describes_itself(audit: Callable[[str], Audit], name: str):
    found = audit(name)
    if name == "404":
        assert found.says["robots"] == "noindex"
        return
    text = found.says["description"]
    assert 40 <= len(text) <= 160
    assert found.says["og:description"] == text
    assert found.says["og:image"].endswith("_static/card.png")
    assert found.links_of_headings or name in {"genindex", "search", "status"}


def test_without_scripts_all_pages_can_be_read(browser: Browser, address: str):
    context = DESKTOP.open(browser, java_script_enabled=False)
    page = context.new_page()
    for name in table_of_contents():
        page.goto(f"{address}{name}.html", wait_until="domcontentloaded")
        expect(page.locator("article h1")).to_be_visible()
        expect(page.locator(".bd-links a").first).to_be_visible()
    context.close()
