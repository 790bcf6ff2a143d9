"""Explorables on their pages: by mouse, finger and keys, and when things go wrong."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from visiting import DESKTOP, FIND_OVERFLOW, PHONE, Form, listen

from book import SITE, glued, source, table_of_contents, with_cells
from descent.page.explorable.bundle import explorable_names

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
    """

    keys: tuple[str, ...]
    change: str


# A new explorable needs one entry here.
EXPLORABLES = {
    "fit": Entry(("m", "b", "outlier", "loss"), "m=1"),
    "brute-force": Entry(("n", "done", "k", "m"), "n=20"),
    "descend": Entry(("rate", "m", "t", "loss"), "t=3"),
    "learning-rate": Entry(("rate", "steps"), "rate=0.02"),
    "race": Entry(("ground", "rates", "t", "adam", "batch"), "t=20"),
    "noise": Entry(("size", "way", "count", "loss"), "size=50"),
    "clinic": Entry(("run", "guess"), "run=3"),
    "clip": Entry(("threshold", "p", "window", "step", "spike"), "p=50"),
}

# Both at once: one visit fewer.
DARK_PHONE = Form("phone-dark", 390, 844, "dark")

each = pytest.mark.parametrize("name", EXPLORABLES)

Open = Callable[..., tuple[Page, Locator]]


def test_every_module_is_in_the_book_and_has_its_entry():
    assert sorted(PAGES) == sorted(EXPLORABLES) == explorable_names()


@pytest.fixture
def show(browser: Browser, address: str) -> Iterator[Open]:
    """Return a function that opens an explorable's page and brings it to life.

    At the end nothing may have gone wrong on any of them.
    """
    contexts = []
    problems: list[list[str]] = []

    def found(
        name: str, query: str = "", form: Form = DESKTOP, live: bool = True, **more: Any
    ) -> tuple[Page, Locator]:
        context = form.open(browser, **more)
        contexts.append(context)
        page = context.new_page()
        if more.get("java_script_enabled", True):  # else each script is a "failure"
            problems.append(listen(page, urlsplit(address).netloc))
        page.goto(f"{address}{PAGES[name]}.html{query}")
        box = page.locator(f'.explorable[data-explorable="{name}"]')
        if live:
            figure = page.locator("figure").filter(has=box)
            figure.scroll_into_view_if_needed()
            expect(box).to_be_visible()
            expect(box.locator(".ex-say")).not_to_be_empty()
        return page, box

    yield found
    for context in contexts:
        context.close()
    assert [text for said in problems for text in said] == []


def said(box: Locator) -> str:
    return box.locator(".ex-say").inner_text()


def slider(box: Locator, label: str) -> Locator:
    return box.get_by_label(label, exact=True)


def query(page: Page) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


# --- Every explorable ---------------------------------------------------------------


@each
def test_it_loads_when_near_and_takes_the_place_of_its_still(show: Open, name: str):
    page, box = show(name, live=False)
    still = page.locator("figure").filter(has=box).locator("img.on-light")
    expect(still).to_be_visible()
    assert page.evaluate("window.descentExplorable") is None
    still.scroll_into_view_if_needed()
    expect(box).to_be_visible()
    expect(still).to_be_hidden()
    expect(box.locator("svg.ex-plot")).to_have_count(2)
    expect(box.locator(".ex-say")).not_to_be_empty()
    # On paper the still stands again.
    page.emulate_media(media="print")
    expect(box).to_be_hidden()
    expect(still).to_be_visible()


@each
def test_without_scripts_the_still_stands_with_its_caption(show: Open, name: str):
    page, box = show(name, live=False, java_script_enabled=False)
    figure = page.locator("figure").filter(has=box)
    expect(figure.locator("img.on-light")).to_be_visible()
    expect(figure.locator("figcaption")).to_be_visible()
    expect(box).to_be_hidden()


@each
def test_it_fits_a_phone_and_a_dark_page(show: Open, name: str):
    page, box = show(name, form=DARK_PHONE, has_touch=True)
    assert page.evaluate(FIND_OVERFLOW) == []
    for plot in box.locator("svg.ex-plot").all():
        size = plot.bounding_box()
        assert size is not None
        assert size["width"] > 250
        assert size["x"] + size["width"] <= PHONE.width
    for button in box.locator("button").all():
        size = button.bounding_box()
        assert size is not None
        assert size["height"] >= 24
    fill = box.locator("svg .ex-title").first.evaluate("e => getComputedStyle(e).fill")
    assert fill == "rgb(230, 232, 235)"
    assert box.evaluate("e => getComputedStyle(e).color") == "rgb(230, 232, 235)"


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
    for button in box.locator("button").all():
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_timeout(20)
        assert "went wrong" not in said(box)
    # The last button is Reset: all is as it was.
    expect(box.locator(".ex-say")).to_have_text(first)
    page.wait_for_function("location.search === ''")
    expect(box.locator(".ex-say")).to_have_attribute("aria-live", "polite")


@each
def test_its_state_is_in_the_address(show: Open, name: str):
    page, box = show(name)
    ranges = [c for c in box.locator("input[type=range]").all() if c.is_visible()]
    if ranges:
        for control in ranges[:2]:
            control.focus()
            page.keyboard.press("PageUp")
    else:
        box.get_by_role("button", name="Next patient").click()
    page.wait_for_function("location.search.length > 1")
    page.wait_for_timeout(400)
    text, address = said(box), page.url
    assert all(key.startswith(f"{name}.") for key in query(page))
    _, other = show(name, f"?{urlsplit(address).query}")
    assert said(other) == text
    box.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function("location.search === ''")


@each
def test_it_survives_nonsense_in_the_address_and_follows_the_back_button(
    show: Open, name: str
):
    keys, change = EXPLORABLES[name]
    page, box = show(name, "?" + "&".join(f"{name}.{key}=NaN" for key in keys))
    assert re.search("“NaN” is no", said(box))
    for raw, words in (
        ("1e9", "above|is no"),
        ("-1e999", "below|is no"),
        ("", "is no"),
        ("%3Cb%3E", "is no"),
    ):
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


def go(page: Page, address: str) -> None:
    """Go to another address of the same page, as a link or the back button does."""
    page.evaluate(
        """to => {
            history.pushState(null, "", to);
            dispatchEvent(new PopStateEvent("popstate"));
        }""",
        address,
    )


@each
def test_it_opens_from_the_disk(browser: Browser, name: str):
    context = DESKTOP.open(browser)
    page = context.new_page()
    problems = listen(page, "")
    page.goto((SITE / f"{PAGES[name]}.html").as_uri())
    box = page.locator(f'.explorable[data-explorable="{name}"]')
    page.locator("figure").filter(has=box).scroll_into_view_if_needed()
    expect(box).to_be_visible()
    expect(box.locator(".ex-say")).not_to_be_empty()  # it is drawn a moment later
    box.locator("button:visible").first.click()
    page.wait_for_timeout(500)
    expect(box.locator(".ex-say")).not_to_be_empty()
    assert problems == []
    context.close()


def test_they_are_small_and_only_where_they_are_used():
    folder = SITE / "_static" / "explorables"
    bundle = gzip.compress((folder / "bundle.js").read_bytes())
    assert len(bundle) < 25_000
    assert (folder / "load.js").stat().st_size < 2_500
    for name in table_of_contents():
        text = (SITE / f"{name}.html").read_text("utf8")
        assert ("explorables/load.js" in text) == (name in PAGES.values()), name


# --- Single ones --------------------------------------------------------------------


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


def test_descent_steps_runs_survives_a_resize_and_ends(show: Open):
    page, box = show("descend")
    box.get_by_role("button", name="Step", exact=True).click()
    expect(box.locator(".ex-say")).to_contain_text("After 1 steps")
    box.get_by_role("button", name="Run", exact=True).click()
    page.set_viewport_size({"width": 700, "height": 800})
    page.wait_for_timeout(200)
    page.set_viewport_size({"width": 1100, "height": 700})
    expect(box.get_by_role("button", name="Run", exact=True)).to_be_visible()
    expect(box.locator(".ex-say")).to_contain_text("After 100 steps: m = 1.7")


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


@pytest.mark.parametrize(
    ("rate", "word"),
    [
        (1e-4, "creeping along m"),
        (0.01, "converging along m"),
        (0.02, "oscillating along m"),
        (0.03, "diverging along m"),
        (0.5, "was stopped after"),
    ],
)
def test_regimes_are_named(show: Open, rate: float, word: str):
    _, box = show("learning-rate", f"?learning-rate.rate={rate}")
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
    for ground in ("ravine", "line"):
        _, box = show("race", f"?race.ground={ground}&race.t=300")
        text = said(box)
        for name in ("full-batch", "momentum", "Adam"):
            key = f"optimizers_{ground}_{name.replace('-', '_').lower()}_steps"
            wanted = numbers[key]
            found = re.search(rf"{name} \((\d+)\)", text)
            assert found, text
            assert int(found[1]) == wanted, key


@pytest.mark.parametrize("ground", ["bowl", "saddle", "rosenbrock"])
def test_the_race_runs_on_every_ground_and_counts(show: Open, ground: str):
    _, box = show("race", f"?race.ground={ground}&race.t=300")
    assert "Arrived" in said(box)
    assert box.locator(".ex-table tr").count() == 6
    slider(box, "Rate: Adam").focus()
    slider(box, "Rate: Adam").press("ArrowRight")
    expect(box.locator(".ex-say")).to_contain_text("at the rates you have set")


def test_larger_batches_scatter_less(show: Open):
    def scatter(size: int) -> float:
        _, box = show("noise", f"?noise.size={size}")
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
