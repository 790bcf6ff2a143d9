"""Animations under the reader's control; stills for readers who want less motion."""

import base64
import io
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from visiting import DARK, DESKTOP, PHONE, listen

from book import SITE, with_cells

PATIENCE_SECONDS = 4.0

CANVAS = "return box.querySelector('canvas').toDataURL('image/png')"


def animated() -> list[str]:
    """Return the chapters with animations."""
    return [
        name
        for name in with_cells()
        if 'class="film"' in (SITE / f"{name}.html").read_text("utf8")
    ]


# With no animation in any page the tests fail on all of them.
ANIMATED = animated() or with_cells()
each_chapter = pytest.mark.parametrize("name", ANIMATED)


@pytest.fixture
def calm(browser: Browser) -> Iterator[Page]:
    """Return a page for a reader who wants less motion."""
    context = DESKTOP.open(browser, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def open_film(page: Page, address: str, name: str) -> Locator:
    page.goto(f"{address}{name}.html")
    film = page.locator(".film").first
    film.scroll_into_view_if_needed()
    return film


def place(film: Locator) -> int:
    """Return the number of the frame that the controls name."""
    return int(film.locator(".film-place").inner_text().split("/")[0])


def canvas(film: Locator) -> np.ndarray:
    """Return what is painted, shape (height, width, 3)."""
    url = film.evaluate(f"box => {{ {CANVAS} }}")
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB"))


def frame(film: Locator, theme: str, number: int) -> np.ndarray:
    """Return a frame of the film, counted from 1, as another decoder sees it."""
    return decoded(SITE / (film.get_attribute(f"data-{theme}") or ""), number)


@cache  # it has to go through all frames before
def decoded(path: Path, number: int) -> np.ndarray:
    with Image.open(path) as image:
        image.seek(number - 1)
        return np.asarray(image.convert("RGB"))


@each_chapter
def test_nothing_moves_or_loads_before_it_is_asked_for_and_then_the_right_frames(
    calm: Page, address: str, name: str
):
    problems = listen(calm, address.split("/")[2])
    asked: list[str] = []
    calm.on("request", lambda request: asked.append(request.url))
    film = open_film(calm, address, name)
    calm.mouse.move(300, 300)
    calm.wait_for_timeout(300)
    assert film.locator("img:visible").count() == 1
    assert film.locator("canvas").count() == 0
    assert [url for url in asked if url.endswith(".gif")] == []
    still = film.locator("img:visible")
    expect(still).to_have_js_property("complete", True)
    with Image.open(SITE / (still.get_attribute("src") or "")) as image:
        shown = np.asarray(image.convert("RGB"))
    assert (shown == frame(film, "light", place(film))).all()

    scrubber = film.get_by_label("Frame", exact=True)
    count = int(scrubber.get_attribute("max") or 0)
    scrubber.focus()
    calm.keyboard.press("Home")
    expect(film.locator("canvas")).to_be_visible()
    calm.wait_for_function("() => !document.querySelector('[data-state]')")
    assert (canvas(film) == frame(film, "light", 1)).all()
    for key, number in (("ArrowRight", 2), ("End", count)):
        calm.keyboard.press(key)
        assert place(film) == number
        assert scrubber.get_attribute("aria-valuetext") == f"{number} of {count}"
        assert (canvas(film) == frame(film, "light", number)).all()

    # On a dark page it is dark, with the page's ground.
    calm.emulate_media(color_scheme="dark")
    calm.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    calm.wait_for_function("() => !document.querySelector('[data-state]')")
    shown = canvas(film)
    assert (shown == frame(film, "dark", count)).all()
    # What is lighter than the ground is lines.
    assert np.median(shown[:3].astype(int)) < 32
    ground = calm.evaluate("getComputedStyle(document.body).backgroundColor")
    assert re.findall(r"\d+", ground) == [str(part) for part in shown[0, 0]]
    assert problems == []


def test_every_frame_is_reached_by_keyboard(calm: Page, address: str):
    film = open_film(calm, address, ANIMATED[0])
    scrubber = film.get_by_label("Frame", exact=True)
    count = int(scrubber.get_attribute("max") or 0)
    said = film.locator("output")
    scrubber.focus()
    calm.keyboard.press("End")
    expect(film.locator("canvas")).to_be_visible()
    calm.wait_for_function("() => !document.querySelector('[data-state]')")
    for key, number in (("ArrowLeft", count - 1), ("Home", 1)):
        calm.keyboard.press(key)
        assert place(film) == number
        assert (canvas(film) == frame(film, "light", number)).all()
    film.get_by_label("One frame forward").focus()
    calm.keyboard.press("Enter")
    expect(said).to_have_text(f"Frame 2 of {count}")
    film.get_by_label("One frame back").focus()
    for number in (1, count, count - 1):  # past the first comes the last
        calm.keyboard.press("Space")
        expect(said).to_have_text(f"Frame {number} of {count}")
        assert (canvas(film) == frame(film, "light", number)).all()


def test_tab_goes_through_the_controls_in_order(calm: Page, address: str):
    film = open_film(calm, address, ANIMATED[0])
    film.get_by_label("Play").focus()
    names = []
    for _ in range(5):
        names.append(calm.evaluate("document.activeElement.ariaLabel"))
        outline = calm.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        calm.keyboard.press("Tab")
    assert names == ["Play", "One frame back", "One frame forward", "Frame", "Speed"]
    assert outline == "solid"


def test_it_plays_pauses_and_keeps_the_chosen_speed(calm: Page, address: str):
    film = open_film(calm, address, ANIMATED[0])
    film.get_by_label("Speed").select_option("2")
    film.get_by_label("Play").focus()
    calm.keyboard.press("Enter")
    expect(film.get_by_label("Pause")).to_be_focused()
    # It has begun at its first frame, not at that of the still, when there is a canvas.
    expect(film.locator("canvas")).to_be_attached()
    calm.wait_for_function(
        "() => document.querySelector('.film-scrubber').value > 5", timeout=20_000
    )
    said = film.locator("output")
    assert said.inner_text() == ""  # nobody is told of every frame
    calm.keyboard.press("Enter")
    expect(film.get_by_label("Play")).to_be_focused()
    stopped = place(film)
    expect(said).to_contain_text(f"Frame {stopped} of")
    calm.wait_for_timeout(300)
    assert place(film) == stopped
    assert (canvas(film) == frame(film, "light", stopped)).all()


@pytest.mark.parametrize("how", ["mouse", "End", "Home"])
def test_while_it_plays_the_scrubber_leads_where_it_is_told(
    calm: Page, address: str, how: str
):
    film = open_film(calm, address, ANIMATED[0])
    scrubber = film.get_by_label("Frame", exact=True)
    count = int(scrubber.get_attribute("max") or 0)
    film.get_by_label("Play").click()
    expect(film.locator("canvas")).to_be_attached()
    expect(film).to_have_attribute("data-playing", "")
    if how == "mouse":
        box = scrubber.bounding_box()
        assert box
        calm.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        # (The handle's middle keeps half its width from either end.)
        assert abs(place(film) - (1 + 0.75 * (count - 1))) <= 0.03 * count
    else:
        scrubber.press(how)
        assert place(film) == (count if how == "End" else 1)
    expect(film).not_to_have_attribute("data-playing", "")
    stopped = place(film)
    assert (canvas(film) == frame(film, "light", stopped)).all()


def test_every_animation_has_a_name_of_its_own(calm: Page, address: str):
    names = []
    for name in ANIMATED:
        calm.goto(f"{address}{name}.html")
        for film in calm.locator(".film").all():
            group = film.get_by_role("group")
            names.append(group.get_attribute("aria-label") or "")
    assert len(set(names)) == len(names)
    # A sentence, or as much of one as says what moves: three words.
    assert all(re.fullmatch(r"Animation: \w+( \S+){2,}", name) for name in names)


def test_a_phone_plays_the_narrow_film(browser: Browser, address: str):
    context = PHONE.open(browser, reduced_motion="reduce")
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("/")[-1]))
    film = open_film(page, address, ANIMATED[0])
    film.get_by_label("One frame forward").click()
    expect(film.locator("canvas")).to_be_visible()
    page.wait_for_function("() => !document.querySelector('[data-state]')")
    assert (canvas(film) == frame(film, "narrow-light", place(film))).all()
    wide = (film.get_attribute("data-light") or "").split("/")[-1]
    assert wide not in asked
    # The canvas lies on the still, in its form; turned, the other form fits.
    for width, form in ((390, "narrow-light"), (900, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("() => !document.querySelector('[data-state]')")
        page.wait_for_timeout(100)
        shown = film.locator("img:visible").bounding_box()
        laid = film.locator("canvas").bounding_box()
        assert shown
        assert laid
        assert all(abs(shown[key] - laid[key]) <= 1 for key in shown)
        assert (canvas(film) == frame(film, form, place(film))).all()
    context.close()


def test_it_starts_for_a_reader_who_is_there_and_rests_out_of_sight(
    browser: Browser, address: str
):
    name = ANIMATED[0]
    context = DESKTOP.open(browser)
    page = context.new_page()
    page.goto(f"{address}{name}.html")
    film = page.locator(".film").first
    # A mouse that rests where a page comes is no sign of anybody.
    page.evaluate("dispatchEvent(new PointerEvent('pointermove'))")
    page.wait_for_timeout(300)
    assert not film.evaluate("box => 'playing' in box.dataset")
    film.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('.film').scrollIntoView({block: 'center'})")
    page.mouse.move(200, 200)
    expect(film).to_have_attribute("data-playing", "")
    first, deadline = place(film), time.monotonic() + PATIENCE_SECONDS
    while place(film) == first:
        assert time.monotonic() < deadline, "it does not move"
        page.wait_for_timeout(50)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(film).not_to_have_attribute("data-playing", "")
    # Back in sight it goes on; paused by the reader it does not start again.
    film.scroll_into_view_if_needed()
    expect(film).to_have_attribute("data-playing", "")
    film.locator(".film-screen").click()
    expect(film).not_to_have_attribute("data-playing", "")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(200)
    film.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    expect(film).not_to_have_attribute("data-playing", "")
    context.close()


def test_nothing_on_the_page_moves_when_it_starts(calm: Page, address: str):
    film = open_film(calm, address, ANIMATED[0])
    where = "film => JSON.stringify([...document.querySelectorAll('figcaption, h2')]"
    where += ".map(e => e.getBoundingClientRect().top + scrollY))"
    before = film.evaluate(where)
    film.get_by_label("One frame forward").click()
    expect(film.locator("canvas")).to_be_visible()
    assert film.evaluate(where) == before


def test_a_dark_page_gets_a_light_film_when_it_becomes_light(
    browser: Browser, address: str
):
    context = DARK.open(browser, reduced_motion="reduce")
    page = context.new_page()
    film = open_film(page, address, ANIMATED[0])
    film.get_by_label("One frame forward").click()
    expect(film.locator("canvas")).to_be_visible()
    number = place(film)
    assert (canvas(film) == frame(film, "dark", number)).all()
    button = page.locator(".bd-header-article .theme-switch-button")
    while page.evaluate("document.documentElement.dataset.theme") != "light":
        button.click()
    page.wait_for_function("() => !document.querySelector('[data-state]')")
    page.wait_for_timeout(200)
    assert place(film) == number
    assert (canvas(film) == frame(film, "light", number)).all()
    context.close()


def test_fingers_have_room(browser: Browser, address: str):
    context = PHONE.open(browser, has_touch=True, reduced_motion="reduce")
    page = context.new_page()
    film = open_film(page, address, ANIMATED[0])
    for control in film.locator("button, select, input").all():
        box = control.bounding_box()
        assert box
        assert box["width"] >= 24
        assert box["height"] >= 44
    film.get_by_label("One frame forward").tap()
    expect(film.locator("canvas")).to_be_visible()
    film.locator(".film-screen").tap()
    expect(film).to_have_attribute("data-playing", "")
    context.close()


def test_paper_shows_the_still(calm: Page, address: str):
    film = open_film(calm, address, ANIMATED[0])
    film.get_by_label("One frame forward").click()
    expect(film.locator("canvas")).to_be_visible()
    calm.emulate_media(media="print")
    expect(film.locator("canvas")).to_be_hidden()
    expect(film.locator(".film-controls")).to_be_hidden()
    assert film.locator("img.on-light").is_visible()
    assert not film.locator("img.on-dark").is_visible()


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_without_scripts_the_gif_is_there_or_the_still(
    browser: Browser, address: str, motion: str
):
    context = DESKTOP.open(browser, java_script_enabled=False, reduced_motion=motion)
    page = context.new_page()
    film = open_film(page, address, ANIMATED[0])
    assert film.locator("img:visible").count() == 1
    image = film.locator("picture.animation img")
    assert image.is_visible()
    assert not film.locator(".film-controls").is_visible()
    first = image.screenshot()
    deadline = time.monotonic() + (PATIENCE_SECONDS if motion != "reduce" else 1)
    while image.screenshot() == first and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (image.screenshot() == first) == (motion == "reduce")
    context.close()


def test_from_a_folder_the_browser_plays_the_gif(calm: Page):
    calm.goto((SITE / f"{ANIMATED[0]}.html").as_uri())
    film = calm.locator(".film").first
    film.scroll_into_view_if_needed()
    film.get_by_label("Play").click()
    image = film.locator("img:visible")
    expect(image).to_have_attribute("src", film.get_attribute("data-light") or "")
    assert not film.locator(".film-scrubber").is_visible()
    film.get_by_label("Pause").click()
    expect(image).to_have_attribute("src", image.get_attribute("data-still") or "")
    assert (image.get_attribute("src") or "").endswith(".png")
