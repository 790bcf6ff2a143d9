"""What differs in Firefox: lines with formulas, figures to touch, players, paper.

Left out where there is no Firefox.
"""

import json
import re
from collections.abc import Iterator

import pypdfium2 as pdfium
import pytest
from firefox import Firefox, Tab, running
from landing import ARRIVED, PLACES, TOP, figures_to_touch
from setting import (
    HEIGHTS_OF_FORMULAS,
    ONE_LINE,
    PLACES_OF_SIGNS,
    assert_aligned,
)
from visiting import DESKTOP, PHONE, Form

from book import source, with_exercises


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Return a running Firefox."""
    try:
        with running(tmp_path_factory.mktemp("firefox")) as browser:
            yield browser
    except FileNotFoundError as error:
        pytest.skip(f"left out, for want of a second browser: {error}")


@pytest.fixture(scope="module")
def tab(firefox: Firefox) -> Tab:
    return firefox.open()


@pytest.fixture(autouse=True)
def calm(firefox: Firefox) -> Iterator[None]:
    """At the end of each test, no script may have gone wrong."""
    firefox.messages.clear()
    yield
    wrong = [
        said for said in firefox.messages if not said.startswith(("info", "debug"))
    ]
    assert wrong == []


def test_a_line_with_a_formula_is_as_high_as_others(tab: Tab, address: str):
    tab.resize(DESKTOP.width, DESKTOP.height)
    tab.goto(f"{address}learning-rate.html")
    heights = tab.evaluate(HEIGHTS_OF_FORMULAS)
    assert len(heights) > 10
    assert max(heights) < ONE_LINE


def test_lines_of_a_formula_are_aligned(tab: Tab, address: str):
    tab.goto(f"{address}optimizers.html")
    assert_aligned(tab.evaluate(PLACES_OF_SIGNS))


@pytest.mark.parametrize("form", [DESKTOP, PHONE], ids=lambda form: form.name)
def test_a_link_leads_to_the_top_of_a_figure_to_touch(
    tab: Tab, address: str, form: Form
):
    tab.resize(form.width, form.height)
    for place in figures_to_touch()[::3]:
        tab.goto(f"{address}{place}")
        tab.wait_for(ARRIVED)
        assert round(tab.evaluate(TOP)) in PLACES, place


@pytest.mark.parametrize("place", figures_to_touch())
def test_a_figure_to_touch_answers(tab: Tab, address: str, place: str):
    tab.resize(DESKTOP.width, DESKTOP.height)
    tab.goto(f"{address}{place}")
    tab.wait_for(ARRIVED)
    box = "document.querySelector(':target .explorable')"
    say = f"{box}.querySelector('.ex-say').textContent"
    before = tab.evaluate(say)
    assert tab.evaluate(f"{box}.querySelectorAll('svg').length") >= 1
    # A slider moved by the keyboard's means, or a button pressed by the mouse.
    moved = tab.evaluate(
        f"""(() => {{
            const slider = {box}.querySelector("input[type=range]");
            if (!slider) return false;
            slider.stepUp(slider.value === slider.max ? -3 : 3);
            slider.dispatchEvent(new Event("input", {{bubbles: true}}));
            return true;
        }})()"""
    )
    if not moved:
        tab.click(f"{box}.querySelector('button:not(:disabled)')")
    tab.wait_for(f"{say} !== {json.dumps(before)}")
    assert len(tab.evaluate(say).split()) >= 5


def test_an_animation_plays_and_is_led_by_its_scrubber(tab: Tab, address: str):
    tab.goto(f"{address}gradient.html")
    film = "document.querySelector('.film')"
    tab.evaluate(f"{film}.scrollIntoView()")
    # It plays for who has come to it, stops at a click, and goes where it is told.
    frame = f"parseInt({film}.querySelector('.film-place').textContent)"
    tab.wait_for(f"{film}.querySelector('canvas') && {frame} > 2")
    tab.click(f"{film}.querySelector('.film-play')")
    tab.wait_for(f"!('playing' in {film}.dataset)")
    count = tab.evaluate(f"Number({film}.querySelector('.film-scrubber').max)")
    tab.click(f"{film}.querySelector('.film-scrubber')")  # in its middle
    tab.wait_for(f"Math.abs({frame} - {count} / 2) <= {count} / 10 + 1")


def test_paper_has_all_pictures_and_the_solutions_at_its_end(tab: Tab, address: str):
    name = with_exercises()[0]
    tab.goto(f"{address}{name}.html")
    first = tab.print()
    with pdfium.PdfDocument(first) as document:
        text = " ".join(page.get_textpage().get_text_range() for page in document)
    exercises, _, solutions = text.rpartition("Solutions")
    assert exercises.count("Exercise ") >= solutions.count("Solution to Exercise ")
    assert "Solution to Exercise" not in exercises
    assert solutions.count("Solution to Exercise") == source(name).count("{solution}")
    assert re.search("Show the code|Hide the code|Click to", text) is None
    # A second time, when all pictures are loaded, there is no more on it.
    assert len(tab.print()) <= 1.01 * len(first)
    # And the page is as it was.
    assert tab.evaluate("document.querySelectorAll('article > section').length") == 1
    assert tab.evaluate("document.querySelectorAll('details[open]').length") == 0
