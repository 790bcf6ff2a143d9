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
from visiting import DESKTOP, PHONE

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


@pytest.mark.parametrize("place", figures_to_touch())
def test_a_link_leads_to_a_figure_that_answers(tab: Tab, address: str, place: str):
    tab.resize(PHONE.width, PHONE.height)
    tab.goto(f"{address}{place}")
    tab.wait_for(ARRIVED)
    assert round(tab.evaluate(TOP)) in PLACES
    box = "document.querySelector(':target .explorable')"
    assert tab.evaluate(f"{box}.querySelectorAll('svg').length") >= 1
    before = tab.evaluate(f"{box}.innerHTML")
    # A slider as a hand moves it, or else a button.
    moved = tab.evaluate(
        f"""(() => {{
            const slider = {box}.querySelector("input[type=range]");
            slider?.stepUp(slider.value === slider.max ? -3 : 3);
            slider?.dispatchEvent(new Event("input", {{bubbles: true}}));
            return !!slider;
        }})()"""
    )
    if not moved:
        tab.click(f"{box}.querySelector('button:not(:disabled)')")
    tab.wait_for(f"{box}.innerHTML !== {json.dumps(before)}")


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


def places(document: pdfium.PdfDocument, words: str) -> list[tuple[int, float]]:
    """Return where words stand: on which page, and how far down."""
    found = []
    for number, page in enumerate(document):
        text = page.get_textpage()
        search = text.search(words)
        while match := search.get_next():
            *_, top = text.get_charbox(match[0] + match[1] - 1)
            found.append((number, -round(top)))
    return found


def test_paper_has_all_pictures_and_the_solutions_at_its_end(tab: Tab, address: str):
    name = with_exercises()[0]
    tab.goto(f"{address}{name}.html")
    first = tab.print()
    with pdfium.PdfDocument(first) as document:
        text = " ".join(page.get_textpage().get_text_range() for page in document)
    with pdfium.PdfDocument(first) as document:
        solutions = sorted(places(document, "Solution to Exercise"))
        (heading,) = places(document, "Solutions")
        exercises = sorted(places(document, "Exercise 1."))
    assert len(solutions) == source(name).count("{solution}")
    # Solutions name their exercises, which stand before all of them.
    assert exercises[-len(solutions) - 1] < heading < solutions[0]
    assert re.search("Show the code|Hide the code|Click to", text) is None
    # A second time, when all pictures are loaded, there is no more on it.
    assert len(tab.print()) <= 1.01 * len(first)
    # And the page is as it was.
    assert tab.evaluate("document.querySelectorAll('article > section').length") == 1
    assert tab.evaluate("document.querySelectorAll('details[open]').length") == 0
