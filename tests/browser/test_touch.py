"""Explorables on their pages: by mouse, finger and keys, and when things go wrong."""

import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from visiting import DESKTOP, FIND_OVERFLOW, PHONE, Form, listen, swipe

from book import ROOT, SITE, glued, source, table_of_contents, with_cells
from descent.page.explorable.bundle import explorable_modules, explorable_names

# Where each stands.
PAGES = {
    name: page
    for page in with_cells()
    for name in re.findall(r'^explorable\(\s*"([a-z-]+)"', source(page), re.MULTILINE)
}


class Entry(NamedTuple):
    """What the tests know of an explorable beyond its name.

    Attributes
    ----------
    keys : tuple of str
        Parts of its state, in the address, that take a number or one of some words.
    change : str
        What in the address makes it say something else.
    extremes : tuple of str
        Addresses at which something is as large, as long or as far out as it gets.
    last : int
        Its last step, where it has steps.
    """

    keys: tuple[str, ...]
    change: str
    extremes: tuple[str, ...]
    last: int = 0


# A new explorable needs one entry here.
EXPLORABLES = {
    "fit": Entry(
        ("m", "b", "outlier", "loss"), "m=1", ("m=3&b=10", "m=-3&b=-10&outlier=20")
    ),
    "brute-force": Entry(("n", "done", "k", "m"), "n=20", ("m=2&b=2&n=60&k=20",)),
    "descend": Entry(
        ("rate", "m", "t", "loss"), "t=3", ("rate=0.5&t=100", "view=line&t=9"), 100
    ),
    "learning-rate": Entry(("rate", "steps"), "rate=0.02", ("rate=1", "rate=0.00001")),
    "race": Entry(
        ("ground", "rates", "t", "adam", "batch"),
        "t=20",
        ("ground=line", "ground=saddle&rates=own&full=10&adam=0.0001&t=300"),
        300,
    ),
    "noise": Entry(
        ("size", "way", "count", "loss"), "size=50", ("size=100&way=100", "size=1")
    ),
    "clinic": Entry(
        ("run", "guess"), "run=3", (*(f"run={n}" for n in range(1, 8)), "run=6&log=0")
    ),
    "clip": Entry(
        ("threshold", "p", "window", "step", "spike"),
        "p=50",
        ("spike=10000", "nan=1&guard=0&window=50"),
    ),
    "momentum": Entry(
        ("rate", "momentum", "condition", "t"),
        "momentum=0.5",
        ("rate=0.45&momentum=0", "condition=1", "condition=10000&momentum=0.99"),
        100,
    ),
    "adam": Entry(("rate", "beta1", "beta2"), "beta1=0.5", ("beta1=0&beta2=0",), 100),
    "cliff": Entry(
        ("rate", "threshold", "p", "t"), "t=20", ("rate=1&t=200", "t=26"), 200
    ),
}

# Both at once: one visit fewer.
DARK_PHONE = Form("phone-dark", 390, 844, "dark")

each = pytest.mark.parametrize("name", EXPLORABLES)
each_page = pytest.mark.parametrize("page_name", sorted(set(PAGES.values())))

Open = Callable[..., tuple[Page, Locator]]


def test_every_module_is_in_the_book_and_has_its_entry():
    assert sorted(PAGES) == sorted(EXPLORABLES) == explorable_names()


class Tab(NamedTuple):
    """A page that one test after the other shows, and what went wrong on it."""

    page: Page
    problems: list[str]


Tabs = dict[tuple[object, ...], list[Tab]]


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[Tabs]:
    """Return the tabs that no test is using, by their form and the page they show."""
    free: Tabs = {}
    yield free
    for tab in [tab for those in free.values() for tab in those]:
        tab.page.context.close()


@pytest.fixture
def show(browser: Browser, address: str, tabs: Tabs) -> Iterator[Open]:
    """Return a function that opens an explorable's page and brings it to life.

    At the end nothing may have gone wrong on any of them.
    """
    used: list[tuple[list[Tab], Tab]] = []

    def found(
        name: str, query: str = "", form: Form = DESKTOP, live: bool = True, **more: Any
    ) -> tuple[Page, Locator]:
        path = f"{PAGES[name]}.html"
        alike = tabs.setdefault((path, form, *sorted(more.items())), [])
        if alike:
            tab = alike.pop()
        else:
            page = form.open(browser, **more).new_page()
            scripts = more.get("java_script_enabled", True)  # else each is a "failure"
            tab = Tab(page, listen(page, urlsplit(address).netloc) if scripts else [])
        used.append((alike, tab))
        page = tab.page
        if query or not live or page.url.split("?")[0] != f"{address}{path}":
            page.goto(f"{address}{path}{query}")
        else:  # a page that is there already, as it is without being set
            go(page, f"/{path}")
        box = page.locator(f'.explorable[data-explorable="{name}"]')
        if live:
            figure = page.locator("figure").filter(has=box)
            figure.scroll_into_view_if_needed()
            expect(box).to_be_visible()
            expect(box.locator(".ex-say")).not_to_be_empty()
        return page, box

    yield found
    problems = [text for _, tab in used for text in tab.problems]
    for alike, tab in used:
        if problems:
            tab.page.context.close()
            continue
        tab.problems.clear()
        alike.append(tab)
    assert problems == []


def said(box: Locator) -> str:
    return box.locator(".ex-say").inner_text()


def slider(box: Locator, label: str) -> Locator:
    return box.get_by_label(label, exact=True)


def query(page: Page) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


# --- Every explorable ---------------------------------------------------------------


@each
def test_it_loads_when_near_in_place_of_its_still_and_is_set_by_the_address(
    show: Open, name: str
):
    page, box = show(name, live=False)
    still = page.locator("figure").filter(has=box).locator("img.on-light")
    expect(still).to_be_visible()
    assert page.evaluate("window.descentExplorable") is None
    still.scroll_into_view_if_needed()
    expect(box).to_be_visible()
    expect(still).to_be_hidden()
    expect(box.locator("svg.ex-plot")).to_have_count(2)
    expect(box.locator(".ex-say")).not_to_be_empty()
    assert faults_of(page, box, name) == {}
    # Its state is in the address, and comes from there.
    box.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function("location.search === ''")
    ranges = [c for c in box.locator("input[type=range]").all() if c.is_visible()]
    for control in ranges[:2]:
        control.focus()
        page.keyboard.press("PageUp")
    if not ranges:
        box.get_by_role("button", name="Next patient").click()
    page.wait_for_function("location.search.length > 1")
    page.wait_for_timeout(400)
    text = said(box)
    assert all(key.startswith(f"{name}.") for key in query(page))
    page.reload()
    page.locator("figure").filter(has=box).scroll_into_view_if_needed()
    expect(box.locator(".ex-say")).to_have_text(text)
    box.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function("location.search === ''")


def on(page_name: str) -> list[str]:
    return [name for name, page in PAGES.items() if page == page_name]


def assert_alone(page: Page, name: str, shown: str) -> None:
    """Go to the address that shows it alone, and see that it does."""
    page.goto(f"{page.url.split('#')[0]}#only-{name}")
    figure = page.locator(f"figure:has(#only-{name})")
    expect(figure.locator(shown).first).to_be_visible()
    expect(figure.locator(shown).first).to_be_in_viewport()
    expect(figure.locator("figcaption")).to_be_visible()
    # Sidebars fade; a page without scripts cannot wait by itself.
    for _ in range(50):
        seen = page.evaluate(SEEN)
        if not seen:
            break
        page.wait_for_timeout(100)
    assert seen == []


# What is seen of a page, but for its figures and what is around them.
SEEN = """() => [...document.querySelectorAll("body *")].filter(e =>
    e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length
    && !e.closest("figure") && e.textContent.trim()
    && !e.querySelector("figure")).map(e => e.outerHTML.slice(0, 90))"""


@each_page
def test_without_scripts_the_still_stands_with_its_caption(show: Open, page_name: str):
    names = on(page_name)
    page, _ = show(names[0], live=False, java_script_enabled=False)
    for name in names:
        box = page.locator(f"#only-{name}")
        figure = page.locator("figure").filter(has=box)
        expect(figure.locator("img.on-light")).to_be_visible()
        expect(figure.locator("figcaption")).to_be_visible()
        expect(box).to_be_hidden()
    for name in names:
        assert_alone(page, name, "img.on-light")


# What a reader would stumble over, in the state that is shown.
FIND_FAULTS = """box => {
    const found = [];
    const rect = element => element.getBoundingClientRect();
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    for (const plot of box.querySelectorAll("svg.ex-plot")) {
        const title = plot.querySelector(".ex-title").textContent;
        const all = rect(plot), ground = rect(plot.querySelector(".ex-ground"));
        for (const ring of plot.querySelectorAll(".ex-ring")) {
            const at = rect(ring), x = (at.left + at.right) / 2;
            const y = (at.top + at.bottom) / 2;
            if (x < ground.left - 1 || x > ground.right + 1
                || y < ground.top - 1 || y > ground.bottom + 1)
                found.push(`${title}: a ring leaves the plot`);
        }
        const ticks = [...plot.querySelectorAll(".ex-tick")];
        const sideways = ticks.filter(tick => tick.classList.contains("ex-end"));
        if (sideways.length < 2 || ticks.length - sideways.length < 2)
            found.push(`${title}: an axis with less than two ticks`);
        for (const name of plot.querySelectorAll(".ex-name, .ex-title")) {
            const at = rect(name);
            if (at.left < all.left - 1 || at.right > all.right + 1
                || at.top < all.top - 1 || at.bottom > all.bottom + 1)
                found.push(`${title}: “${name.textContent}” sticks out`);
            if (ticks.some(tick => meet(rect(tick), at)))
                found.push(`${title}: “${name.textContent}” lies on a tick`);
        }
    }
    const words = document.createElement("canvas").getContext("2d");
    const written = "label, output, button, select, th, td, text";
    for (const element of box.querySelectorAll(written)) {
        const at = rect(element);
        if (!at.width || element.closest(".visually-hidden")) continue;
        const style = getComputedStyle(element), text = element.textContent;
        if (parseFloat(style.fontSize) < 11 && text) found.push(`small: ${text}`);
        if (element.namespaceURI.endsWith("svg")) continue;
        if (element.scrollWidth > element.clientWidth + 1) found.push(`cut: ${text}`);
        if (element.matches(".ex-control label")
            && at.height > 2.4 * parseFloat(style.fontSize))
            found.push(`in two lines: ${text}`);
        if (at.right > document.documentElement.clientWidth) found.push(`out: ${text}`);
        if (element.tagName === "SELECT") {
            words.font = style.font;
            const widest = Math.max(...[...element.options].map(
                option => words.measureText(option.text).width));
            if (widest + 34 > element.clientWidth)
                found.push(`an option of “${element.labels[0].textContent}” is cut`);
        }
    }
    return found;
}"""


def faults_of(page: Page, box: Locator, name: str) -> dict[str, list[str]]:
    """Return what is wrong with it as it is, and at its extremes."""
    faults = {"": box.evaluate(FIND_FAULTS)}
    for extreme in EXPLORABLES[name].extremes:
        put(page, "&".join(f"{name}.{part}" for part in extreme.split("&")))
        assert "went wrong" not in said(box)
        faults[extreme] = box.evaluate(FIND_FAULTS)
    return {state: found for state, found in faults.items() if found}


# Of what is used, what does not lie open, or lies open without its picture in sight.
FIND_HIDDEN = """async box => {
    const found = [];
    document.querySelector("#pst-back-to-top").style.display = "flex";
    for (const used of box.querySelectorAll("button, select, input:not([readonly])")) {
        if (!used.checkVisibility({ visibilityProperty: true })) continue;
        const name = used.labels?.[0]?.textContent || used.textContent;
        for (const block of ["end", "start"]) {
            used.scrollIntoView({ block, behavior: "instant" });
            const at = used.getBoundingClientRect();
            const top = document.elementFromPoint(
                (at.left + at.right) / 2, (at.top + at.bottom) / 2);
            if (!used.contains(top))
                found.push(`${top?.outerHTML.slice(0, 60)} on ${name}`);
            const seen = box.querySelector(".ex-plots").getBoundingClientRect();
            if (seen.top < 0 || seen.bottom > Math.min(innerHeight, at.top + 1))
                found.push(`${name} without its picture`);
        }
    }
    return found;
}"""


@each
def test_it_fits_a_phone_and_a_dark_page(show: Open, name: str):
    page, box = show(name, form=DARK_PHONE, has_touch=True)
    assert page.evaluate(FIND_OVERFLOW) == []
    for plot in box.locator("svg.ex-plot").all():
        size = plot.bounding_box()
        assert size is not None
        assert size["width"] > 250
        assert size["x"] + size["width"] <= PHONE.width
    for button in box.locator("button:visible").all():
        size = button.bounding_box()
        assert size is not None
        assert size["height"] >= 24
    fill = box.locator("svg .ex-title").first.evaluate("e => getComputedStyle(e).fill")
    assert fill == "rgb(230, 232, 235)"
    assert box.evaluate("e => getComputedStyle(e).color") == "rgb(230, 232, 235)"
    assert box.evaluate(FIND_HIDDEN) == []
    # A finger that scrolls from a slider on leaves the slider as it was.
    for control in box.locator("input[type=range]:visible").all()[:1]:
        control.evaluate("e => e.scrollIntoView({ block: 'center' })")
        size, before = control.bounding_box(), control.input_value()
        scrolled = page.evaluate("scrollY")
        assert size is not None
        swipe(page, size["x"] + size["width"] * 0.93, size["y"] + 15, 150)
        page.wait_for_function("from => Math.abs(scrollY - from) > 50", arg=scrolled)
        expect(control).to_have_value(before)
    # Nothing jumps from one step to the next.
    last = EXPLORABLES[name].last
    heights = set()
    for t in {0, 1, last // 9, last // 3, last - 1, last} if last else ():
        put(page, f"{name}.t={t}")
        heights.add(
            page.locator("figure").filter(has=box).evaluate("e => e.offsetHeight")
        )
    assert len(heights) <= 1
    assert faults_of(page, box, name) == {}


@each
def test_every_control_works_by_keyboard(show: Open, name: str):
    page, box = show(name, reduced_motion="reduce")
    first = said(box)
    moved = 0
    for control in box.locator("input[type=range]").all():
        if not control.is_visible():
            continue
        assert control.evaluate("e => e.labels.length") == 1
        before = control.input_value()
        control.focus()
        for key in ("End", "ArrowLeft", "Home", "ArrowRight"):
            page.keyboard.press(key)
            assert "went wrong" not in said(box)
        assert control.get_attribute("aria-valuetext")
        moved += control.input_value() != before
    assert moved or name == "clinic"
    for control in box.locator("select").all():
        assert control.evaluate("e => e.labels.length") == 1
        control.focus()
        page.keyboard.press("ArrowDown")
    for handle in box.locator("[role=slider]").all():
        assert handle.get_attribute("aria-label")
        handle.focus()
        before_text = handle.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowUp")
        expect(handle).not_to_have_attribute("aria-valuetext", before_text or "")
        assert handle.evaluate("e => document.activeElement === e")
        for key in ("Home", "End", "PageDown"):
            before_key = handle.get_attribute("aria-valuenow") or ""
            page.keyboard.press(key)
            expect(handle).not_to_have_attribute("aria-valuenow", before_key)
            assert "what this figure shows" not in said(box)
    for button in box.locator("button:visible").all():
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(20)
        assert "went wrong" not in said(box)
    # The last button is Reset: all is as it was.
    expect(box.locator(".ex-say")).to_have_text(first)
    page.wait_for_function("location.search === ''")
    expect(box.locator(".ex-say")).to_have_attribute("aria-live", "polite")


# All read their address in the same way; what is out of bounds, each decides.
NONSENSE = [
    ("1e9", "above|is no"),
    ("-1e999", "below|is no"),
    ("", "is no"),
    ("%3Cb%3E", "is no"),
]


@each
def test_it_survives_nonsense_in_the_address_and_follows_the_back_button(
    show: Open, name: str
):
    keys, change, *_ = EXPLORABLES[name]
    page, box = show(name, "?" + "&".join(f"{name}.{key}=NaN" for key in keys))
    assert re.search("“NaN” is no", said(box))
    for raw, words in NONSENSE if name == "fit" else NONSENSE[:1]:
        go(page, "?" + "&".join(f"{name}.{key}={raw}" for key in keys))
        expect(box.locator(".ex-say")).to_contain_text(re.compile(words))
        assert "went wrong" not in said(box)
        expect(box.locator("svg.ex-plot .ex-grid").first).to_be_attached()
        box.get_by_role("button", name="Reset", exact=True).click()
        expect(box.locator(".ex-say")).not_to_contain_text("is no")
    # And the back button leads back.
    page.wait_for_function("location.search === ''")
    first = said(box)
    go(page, f"?{name}.{change}")
    expect(box.locator(".ex-say")).not_to_have_text(first)
    page.go_back()
    expect(box.locator(".ex-say")).to_have_text(first)


def put(page: Page, address: str) -> None:
    """Go to another state of the same page, and wait until it is drawn."""
    go(page, f"?{address}")
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame("
        "() => requestAnimationFrame(done)))"
    )


def go(page: Page, address: str) -> None:
    """Go to another address of the same page, as a link or the back button does."""
    page.evaluate(
        """to => {
            history.pushState(null, "", to);
            dispatchEvent(new PopStateEvent("popstate"));
        }""",
        address,
    )


# The page with most of them: others load theirs in the same way.
((MOST, _),) = Counter(PAGES.values()).most_common(1)


@pytest.mark.parametrize("page_name", sorted({MOST, PAGES["clip"]}))
def test_it_opens_from_the_disk(browser: Browser, page_name: str):
    context = DESKTOP.open(browser)
    page = context.new_page()
    problems = listen(page, "")
    page.goto((SITE / f"{page_name}.html").as_uri())
    for name in on(page_name):
        box = page.locator(f'.explorable[data-explorable="{name}"]')
        page.locator("figure").filter(has=box).scroll_into_view_if_needed()
        expect(box).to_be_visible()
        expect(box.locator(".ex-say")).not_to_be_empty()  # it is drawn a moment later
        box.locator("button:visible").first.click()
        page.wait_for_timeout(400)
        expect(box.locator(".ex-say")).not_to_be_empty()
        assert_alone(page, name, "svg.ex-plot")
        page.go_back()
    assert problems == []
    context.close()


def test_they_are_small_and_only_where_they_are_used():
    folder = SITE / "_static" / "explorables"
    assert (folder / "load.js").stat().st_size < 2_500
    for name in table_of_contents():
        text = (SITE / f"{name}.html").read_text("utf8")
        assert ("explorables/load.js" in text) == (name in PAGES.values()), name
        bundle = folder / f"{name}-bundle.js"
        assert bundle.exists() == (name in PAGES.values())
        if bundle.exists():
            script = bundle.read_bytes()
            assert len(gzip.compress(script)) < 20_000
            # What no figure of the page needs is not in it.
            there = set(re.findall(r"'([a-z-]+)': modules", script.decode()))
            assert there == {x for x, page in PAGES.items() if page == name}


# --- Single ones --------------------------------------------------------------------


def test_on_paper_the_still_stands_again(show: Open):
    page, box = show("fit")
    still = page.locator("figure").filter(has=box).locator("img.on-light")
    page.emulate_media(media="print")
    expect(box).to_be_hidden()
    expect(still).to_be_visible()
    page.emulate_media(media="screen")
    expect(box).to_be_visible()


def test_a_start_is_chosen_by_mouse_by_dragging_and_by_finger(show: Open):
    page, box = show("descend")
    ground = box.locator("svg.ex-plot").first
    size = ground.bounding_box()
    assert size is not None
    ground.click(position={"x": size["width"] * 0.4, "y": size["height"] * 0.3})
    expect(slider(box, "Start: slope m")).not_to_have_value("-0.01")
    m = float(slider(box, "Start: slope m").input_value())
    handle = box.locator("[role=slider]")
    place = handle.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + 60, place["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert float(slider(box, "Start: slope m").input_value()) > m + 0.2

    _, box = show("descend", form=PHONE, has_touch=True)
    before = said(box)
    box.locator("svg.ex-plot").first.tap(position={"x": 100, "y": 100})
    expect(box.locator(".ex-say")).not_to_have_text(before)


WITH_HANDLES = [
    name
    for name, text in explorable_modules().items()
    if name in EXPLORABLES and re.search(r"\.handle\(|\bball\(\{", text)
]
# All hold by the same lines of `base.js`.
HELD = WITH_HANDLES if os.environ.get("DESCENT_EVERYTHING") else WITH_HANDLES[::3]


@pytest.mark.parametrize("name", HELD)
def test_a_handle_follows_a_finger_and_the_page_stays(show: Open, name: str):
    page, box = show(name, form=PHONE, has_touch=True)

    def middle(element: Locator) -> tuple[float, float]:
        size = element.bounding_box()
        assert size is not None
        return size["x"] + size["width"] / 2, size["y"] + size["height"] / 2

    plots = box.locator(".ex-plots")
    plots.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
    for handle in box.locator("[role=slider]").all():
        moves = handle.get_attribute("aria-orientation")
        ways = {"horizontal": [(80, 0), (0, 50)], "vertical": [(0, 50)]}[moves or ""]
        for across, up in ways:
            x, y = middle(handle.locator(".ex-ring"))
            # Where there is room: the axes end somewhere.
            ground = handle.evaluate(
                "e => { const box = e.ownerSVGElement.querySelector('.ex-ground')"
                ".getBoundingClientRect(); return [(box.left + box.right) / 2,"
                " (box.top + box.bottom) / 2]; }"
            )
            dx = across if x < ground[0] else -across
            dy = -up if y < ground[1] else up
            before = page.evaluate("scrollY")
            swipe(page, x, y, dy, dx)
            page.wait_for_timeout(100)
            there = middle(handle.locator(".ex-ring"))
            # Some stop a little before the axes do.
            assert there == pytest.approx((x + dx, y - dy), abs=10), (name, dx, dy)
            assert page.evaluate("scrollY") == before
    # Anywhere else in the figure the same finger scrolls the page.
    x, y = middle(box.locator("svg.ex-plot .ex-title").last)
    before = page.evaluate("scrollY")
    swipe(page, x, y, 80)
    page.wait_for_function("from => Math.abs(scrollY - from) > 20", arg=before)


def test_descent_steps_runs_survives_a_resize_and_ends(show: Open):
    page, box = show("descend")
    box.get_by_role("button", name="Step", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("After 1 step:")
    box.get_by_role("button", name="Run", exact=True).click()
    page.set_viewport_size({"width": 700, "height": 800})
    page.wait_for_timeout(200)
    page.set_viewport_size({"width": DESKTOP.width, "height": DESKTOP.height})
    expect(box.get_by_role("button", name="Run", exact=True)).to_be_visible()
    expect(box.locator(".ex-say")).to_contain_text("After 100 steps: m = 1.7")
    # Where there are no more steps, that is said.
    expect(box.locator(".ex-say")).to_contain_text("These were all 100 steps")
    slider(box, "Picture with the map").select_option("line")
    expect(box.locator(".ex-title").nth(1)).to_have_text("The line over the data")


def test_less_motion_means_one_step_to_the_end(show: Open):
    _, box = show("descend", reduced_motion="reduce")
    box.get_by_role("button", name="Run", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("After 100 steps", timeout=1000)


def test_descent_that_diverges_says_so_and_stops(show: Open):
    _, box = show("descend", "?descend.loss=squared&descend.rate=1&descend.t=100")
    expect(box.locator(".ex-say")).to_contain_text("left all bounds")
    box.get_by_role("button", name="Step", exact=True).click()
    box.get_by_role("button", name="Run", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("left all bounds")


REGIMES = {
    1e-4: "creeping along m",
    0.01: "converging along m",
    0.02: "oscillating along m",
    0.03: "diverging along m",
    0.5: "was stopped after",
}


def test_regimes_are_named(show: Open):
    page, box = show("learning-rate")
    for rate, word in REGIMES.items():
        put(page, f"learning-rate.rate={rate}")
        assert word in said(box)


def test_the_best_line_is_beaten_by_none_and_the_outlier_moves_it(show: Open):
    _, box = show("fit")
    box.get_by_role("button", name="Show me the best line").click()
    expect(box.locator(".ex-say")).to_contain_text("No line does better")
    slopes = {}
    for cost in ("absolute", "squared", "huber"):
        slider(box, "Loss").select_option(cost)
        box.get_by_role("button", name="Show me the best line").click()
        expect(box.locator(".ex-say")).to_contain_text("No line does better")
        slopes[cost] = float(slider(box, "Slope m").input_value())
    assert slopes["squared"] < slopes["absolute"] - 0.2
    assert slopes["huber"] == pytest.approx(slopes["absolute"], abs=0.05)


def test_brute_force_counts_and_both_views_are_one_point(show: Open):
    page, box = show("brute-force", reduced_motion="reduce")
    box.get_by_role("button", name="One evaluation").click()
    expect(box.locator(".ex-say")).to_contain_text("1 of 12 × 12 = 144")
    box.get_by_role("button", name="Try everything").click()
    expect(box.locator(".ex-say")).to_contain_text("144 of 12 × 12 = 144")
    line = box.get_by_label("The line at x = 7")
    before = line.get_attribute("aria-valuetext")
    box.get_by_role("button", name="Go to the lowest").click()
    expect(line).not_to_have_attribute("aria-valuetext", before or "")
    point = box.get_by_label("A line: its slope and intercept")
    here = point.get_attribute("aria-valuetext")
    line.focus()
    page.keyboard.press("ArrowUp")
    expect(point).not_to_have_attribute("aria-valuetext", here or "")


def test_the_race_ends_as_in_the_chapter(show: Open):
    numbers = glued("optimizers")
    page, box = show("race")
    for ground in ("ravine", "line"):
        put(page, f"race.ground={ground}&race.t=300")
        text = said(box)
        for name in ("full-batch", "momentum", "Adam"):
            key = f"optimizers_{ground}_{name.replace('-', '_').lower()}_steps"
            wanted = numbers[key]
            found = re.search(rf"{name} \((\d+)\)", text)
            assert found, text
            assert int(found[1]) == wanted, key


def test_the_race_runs_on_every_ground_and_counts(show: Open):
    page, box = show("race")
    for ground in ("bowl", "saddle", "rosenbrock"):
        put(page, f"race.ground={ground}&race.t=300")
        assert "Arrived" in said(box)
        assert box.locator(".ex-table tr").count() == 6
        slider(box, "Rate: Adam").focus()
        slider(box, "Rate: Adam").press("ArrowRight")
        expect(box.locator(".ex-say")).to_contain_text("at the rates you have set")


def test_larger_batches_scatter_less(show: Open):
    page, box = show("noise")

    def scatter(size: int) -> float:
        put(page, f"noise.size={size}")
        found = re.search(r"scatter around it by ([\d.]+)", said(box))
        assert found
        return float(found[1])

    ratio = scatter(1) / scatter(10)
    assert 2.8 < ratio < 4  # the root of 10, and a little more without replacement


def test_every_patient_can_be_cured(show: Open):
    _, box = show("clinic")
    data = json.loads(box.locator("script").text_content() or "")
    for run in data["runs"]:
        wrong = "healthy" if run["diagnosis"] != "healthy" else "overfitting"
        box.get_by_role("button", name=wrong, exact=True).click()
        expect(box.locator(".ex-say")).to_contain_text("that would look like this")
        right = box.get_by_role("button", name=run["diagnosis"], exact=True)
        right.click()
        expect(box.locator(".ex-say")).to_contain_text(f"Right, {run['diagnosis']}")
        expect(box.locator(".ex-say")).to_contain_text("What helps")
        expect(right).to_have_attribute("aria-pressed", "true")
        box.get_by_role("button", name="Next patient").click()
        expect(right).to_have_attribute("aria-pressed", "false")


def test_a_phone_shows_the_answer_of_the_clinic(show: Open):
    page, box = show("clinic", form=PHONE, has_touch=True)
    for diagnosis in ("healthy", "overfitting"):
        button = box.get_by_role("button", name=diagnosis, exact=True)
        button.evaluate("e => e.scrollIntoView({block: 'end', behavior: 'instant'})")
        button.tap()
        expect(box.locator(".ex-say")).to_contain_text(diagnosis)
        expect(box.locator(".ex-say")).to_be_in_viewport(ratio=0.9)
        seen = page.evaluate(
            "document.querySelector('.ex-plots').getBoundingClientRect()"
        )
        answer = box.locator(".ex-say").bounding_box()
        assert answer is not None
        assert answer["y"] >= seen["bottom"] - 1


def test_clipping_is_what_numpy_says(show: Open):
    _, box = show("clip", "?clip.step=300&clip.p=25&clip.window=100&clip.spike=50")
    data = json.loads(box.locator("script").text_content() or "")
    norms = np.array(data["norms"])
    norms[300] *= 50
    threshold = np.percentile(norms[201:301], 25)
    row = box.locator(".ex-table tr").nth(1).locator("td")
    assert row.nth(0).inner_text() == "1"
    assert float(row.nth(1).inner_text()) == pytest.approx(threshold, rel=5e-3)
    share = box.locator(".ex-table tr").nth(3).locator("td")
    fixed = 100 * np.mean(norms > 1)
    assert float(share.nth(0).inner_text().split()[0]) == pytest.approx(fixed, rel=5e-3)
    moving = [
        np.percentile(norms[max(0, t - 99) : t + 1], 25) for t in range(len(norms))
    ]
    cut = 100 * np.mean(norms > moving)
    assert float(share.nth(1).inner_text().split()[0]) == pytest.approx(cut, rel=5e-3)


def test_a_nan_is_kept_out_or_spoils_the_rest(show: Open):
    _, box = show("clip")
    box.get_by_label("A NaN at this step").check()
    expect(box.locator(".ex-say")).to_contain_text("leaves the step out")
    box.get_by_label("AutoClip keeps it out of its history").uncheck()
    expect(box.locator(".ex-say")).to_contain_text("every later step is lost")
    # A lost step is not drawn as one that stays as it is.
    marks = box.locator("svg.ex-plot").nth(1).locator("g[clip-path] > path")
    blue = marks.and_(box.locator("[stroke='var(--ex-blue)']")).get_attribute("d") or ""
    assert 10 < blue.count("M") < 90
    assert "ClipNorm" in said(box)


def test_a_finer_grid_is_tried_as_far_as_the_coarser_one(show: Open):
    page, box = show("brute-force", "?brute-force.done=144")
    number = slider(box, "Values for each parameter")
    number.focus()
    number.press("ArrowRight")
    expect(box.locator(".ex-say")).to_contain_text("169 of 13 × 13")
    put(page, "brute-force.done=20")
    number.press("ArrowRight")
    expect(box.locator(".ex-say")).to_contain_text("0 of 13 × 13")


def test_a_factor_near_one_is_not_shown_as_one(show: Open):
    _, box = show("learning-rate", "?learning-rate.rate=0.00001")
    cells = box.locator(".ex-table tr").last.locator("td").all_inner_texts()
    assert "creeping" in cells
    assert "1" not in cells


def test_half_of_the_way_is_where_batches_begin_to_point_uphill(show: Open):
    page, box = show("noise")
    way = slider(box, "Way to the true line")
    half = way.evaluate("e => (Number(e.min) + Number(e.max)) / 2")
    way.fill(str(way.evaluate("e => Number(e.min)")))
    expect(box.locator(".ex-say")).to_contain_text("For 0 % of them")
    way.fill(f"{1.3 * half:.2f}")
    expect(box.locator(".ex-say")).not_to_contain_text("For 0 % of them")
    way.press("End")
    expect(box.locator(".ex-say")).to_contain_text(re.compile(r"For \d\d"))
    put(page, "noise.size=100&noise.way=50")
    assert "nothing to scatter" in said(box)


def test_the_race_has_what_the_chapter_asks_for(show: Open):
    page, box = show("race", "?race.t=300&race.moved=1&race.u=-8&race.v=0.5")
    seed = box.get_by_role("button", name="Another seed")
    ridge = box.get_by_role("button", name="Onto the ridge")
    expect(seed).to_be_hidden()  # where there is no chance
    expect(box.locator(".ex-table")).to_contain_text("μ = 0.9")
    expect(box.locator(".ex-table")).to_contain_text("β = 0.9, 0.999")
    expect(box.locator(".ex-say")).to_contain_text("The race is over")
    put(page, "race.ground=bowl&race.t=300")
    steps = [int(n) for n in re.findall(r"\((\d+)\)", said(box))]
    right = box.locator("svg.ex-plot").nth(1).locator(".ex-tick:not(.ex-end)")
    assert int(right.last.text_content() or "") <= max(30, *steps)
    slider(box, "Ground").select_option("saddle")
    ridge.click()
    expect(box.get_by_label("The common start")).to_have_attribute(
        "aria-valuetext", re.compile(", 0$")
    )
    slider(box, "Ground").select_option("line")
    expect(seed).to_be_visible()
    expect(ridge).to_be_hidden()


def test_who_runs_in_the_race_looks_as_in_the_chapter():
    look = dict(re.findall(r'"([\w-]+)": \(([A-Z]+), "[-.:]+"', source("optimizers")))
    module = (ROOT / "src/descent/page/explorable/race.js").read_text("utf8")
    racers = dict(re.findall(r'"([\w-]+)", "\w+", "var\(--ex-(\w+)\)"', module))
    assert len(look) == 4
    assert {name: racers[name].upper() for name in look} == look


def test_the_clinic_counts_and_ends(show: Open):
    _, box = show("clinic", "?clinic.cured=126&clinic.missed=2")
    data = json.loads(box.locator("script").text_content() or "")
    expect(box.locator(".ex-say")).to_contain_text("So far 6 of 7 diagnosed, 5 at")
    right = data["runs"][0]["diagnosis"]
    box.get_by_role("button", name=right, exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text(
        "all 7 are diagnosed, 6 at the first"
    )


def test_the_row_of_a_momentum_is_of_one_speed_as_in_the_chapter(show: Open):
    numbers = glued("optimizers")
    page, box = show("momentum")
    left = f"leaves {numbers['optimizers_ball_left']:.1f} %"
    low, high = numbers["optimizers_ball_low"], numbers["optimizers_ball_high"]
    for rate in (1.02 * low, 0.1, 0.98 * high):
        put(page, f"momentum.rate={rate}")
        assert left in said(box)
        assert f"after {numbers['optimizers_ball_tenth']:.0f} steps" in said(box)
    put(page, f"momentum.rate={0.9 * low}")
    assert left not in said(box)
    put(page, f"momentum.rate={1.01 * numbers['optimizers_ball_out']}")
    assert "flies out" in said(box)
    box.get_by_role("button", name="The best for this ravine").click()
    at_best = re.compile(
        rf"^Rate \S+ momentum {numbers['optimizers_ball_best_mu']:.3g}\."
    )
    expect(box.locator(".ex-say")).to_contain_text(at_best)
    # The dot in the plane, by mouse.
    dot = box.get_by_label("Learning rate and momentum")
    place = dot.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] - 40, place["y"] + 60, steps=3)
    page.mouse.up()
    expect(box.locator(".ex-say")).not_to_contain_text(at_best)
    assert float(slider(box, "Momentum μ").input_value()) < 0.65


def test_adams_memories_are_those_of_the_chapter(show: Open):
    numbers = glued("optimizers")
    page, box = show("adam")
    for memory in (1, 10, 20):
        steps = numbers[f"optimizers_adam_row_{memory}"]
        put(page, f"adam.beta1={1 - 1 / memory}")
        assert f"for good after {steps:.0f} steps" in said(box)
    # Dashed where both memories are equally long: from corner to edge of the plane.
    drawn = box.locator("svg.ex-plot").last.evaluate(
        """plot => {
            const line = plot.querySelector("path[stroke-dasharray]");
            const ends = [0, line.getTotalLength()].map(
                at => line.getPointAtLength(at));
            const { x, y, width, height } = plot.querySelector(".ex-ground").getBBox();
            return ends.map(
                end => [(end.x - x) / width, (y + height - end.y) / height]);
        }"""
    )
    # Three decades and a half upward, two across.
    top = np.log(100) / np.log(3000)
    assert np.array(drawn) == pytest.approx(np.array([[0, 0], [1, top]]), abs=0.01)


def test_three_walkers_meet_the_wall(show: Open):
    hit = glued("clipping")["clipping_hit"]
    page, box = show("cliff", reduced_motion="reduce")
    box.get_by_role("button", name="To the wall").click()
    expect(box.locator(".ex-say")).to_contain_text(f"After {hit:.0f} steps")
    rows = box.locator(".ex-table tr")
    cells = rows.nth(2).locator("td").all_inner_texts()
    assert cells[:3] == ["6,285", "0.5", "0.5"]
    assert rows.nth(1).locator("td").nth(1).inner_text() == "none"
    box.get_by_role("button", name="Step", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("plain has flown off the map")
    box.get_by_role("button", name="Run", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("That was the last step")
    start = box.get_by_label("The common start: weight and bias")
    start.focus()
    page.keyboard.press("ArrowLeft")
    expect(box.locator(".ex-say")).to_contain_text("After 0 steps")


# --- Alone, as on a slide ------------------------------------------------------------


def test_an_address_shows_it_alone_as_it_is_set(show: Open):
    page, box = show("momentum", "?momentum.momentum=0.5&noise.size=3")
    box.get_by_text("Embed", exact=True).click()
    field = box.get_by_label(re.compile("This figure alone"))
    expect(field).to_have_value(
        re.compile(r"/optimizers\.html\?momentum\.momentum=0\.5#only-momentum$")
    )
    slider(box, "Momentum μ").press("ArrowRight")
    expect(field).to_have_value(re.compile(r"momentum=0\.51#only"))
    box.get_by_role("button", name="Copy").click()
    expect(
        box.get_by_role("button", name=re.compile("Copied|Selected"))
    ).to_be_visible()
    alone = field.input_value()
    page.goto("about:blank")
    page.goto(alone)
    expect(box.locator(".ex-say")).to_contain_text("momentum 0.51")
    page.wait_for_function(f"!({SEEN})().length")
    size = page.locator("figure").filter(has=box).bounding_box()
    assert size is not None
    assert (size["x"], size["y"], size["width"]) == (0, 0, DESKTOP.width)
    # Nothing that is not seen is reached by keyboard.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('figure') !== null")
    box.get_by_role("link", name="The figure in its chapter").click()
    expect(page.locator("article h1").last).to_be_attached()
    page.wait_for_function(f"({SEEN})().length > 100")
