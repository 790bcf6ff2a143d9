"""Animations move, and hold still for readers who ask for less motion."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from visiting import DESKTOP, SITE, chapters

SELECTOR = "picture.animation img"

# The first frame stays 750 ms, the last 1500 ms.
PATIENCE_SECONDS = 4.0


def animated() -> list[str]:
    """Return the chapters with animations."""
    return [
        name
        for name in chapters()
        if 'class="animation"' in (SITE / f"{name}.html").read_text("utf8")
    ]


# With no animation in any page the tests fail on all of them.
ANIMATED = animated() or chapters()


def open_page(browser: Browser, address: str, name: str, motion: str) -> Page:
    page = DESKTOP.open(browser, reduced_motion=motion).new_page()
    page.goto(f"{address}{name}.html")
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page


@pytest.mark.parametrize("name", ANIMATED)
def test_animations_move(browser: Browser, address: str, name: str):
    page = open_page(browser, address, name, "no-preference")
    images = page.locator(SELECTOR).all()
    assert images
    for image in images:
        source = image.evaluate("image => image.currentSrc")
        assert source.endswith(".gif")
        image.scroll_into_view_if_needed()
        first = image.screenshot()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while image.screenshot() == first:
            assert time.monotonic() < deadline, f"{source} does not move"
            time.sleep(0.1)
    page.context.close()


@pytest.mark.parametrize("name", ANIMATED)
def test_stills_hold_still(browser: Browser, address: str, name: str):
    page = open_page(browser, address, name, "reduce")
    images = page.locator(SELECTOR).all()
    assert images
    for image in images:
        source = image.evaluate("image => image.currentSrc")
        assert source.endswith(".png"), "the still is to be shown"
        still = Path(source).with_suffix(".gif").name
        assert image.evaluate("image => image.getAttribute('src')").endswith(still)
        assert image.evaluate("image => image.naturalWidth") > 0
        image.scroll_into_view_if_needed()
        first = image.screenshot()
        time.sleep(0.3)
        assert image.screenshot() == first
    page.context.close()
