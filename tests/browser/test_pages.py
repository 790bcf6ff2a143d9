"""Every page, wide and narrow, light and dark."""

import itertools
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import pytest
from auditing import Auditor
from PIL import Image
from playwright.sync_api import Browser
from setting import (
    HEIGHTS_OF_FORMULAS,
    ONE_LINE,
    PLACES_OF_SIGNS,
    assert_aligned,
)
from visiting import (
    ARTIFACTS,
    AUDITED_ON_A_PHONE,
    DESKTOP,
    PHONE,
    Form,
    Visit,
    pages,
    visit,
)

from book import SITE

Look = Callable[[str, Form], Visit]

each_page = pytest.mark.parametrize("name", pages())
each_form = pytest.mark.parametrize(
    "form", [DESKTOP, PHONE], ids=lambda form: form.name
)


@pytest.fixture(scope="module")
def look(browser: Browser, address: str) -> Iterator[Look]:
    """Return a function that visits a page, once in each form."""
    contexts = {form: form.open(browser) for form in (DESKTOP, PHONE)}
    auditor = Auditor()

    @cache
    def found(name: str, form: Form) -> Visit:
        return visit(contexts[form], address, name, form, auditor)

    yield found
    for context in contexts.values():
        context.close()


@each_form
@each_page
def test_nothing_goes_wrong(look: Look, name: str, form: Form):
    assert look(name, form).problems == []


@each_form
@each_page
def test_pictures_are_shown(look: Look, name: str, form: Form):
    for images in look(name, form).images.values():
        assert [image["file"] for image in images if not image["width"]] == []


@each_form
@each_page
def test_a_figure_shows_the_picture_that_fits_the_page(
    look: Look, name: str, form: Form
):
    found = look(name, form)
    assert all(theme == wanted for wanted, theme in found.themes.items())
    assert set(found.images) == set(found.themes) >= {"light"}
    for scheme, images in found.images.items():
        figures: dict[int, list[str]] = {}
        shown: dict[int, list[str]] = {}
        for image in images:
            for theme in ("light", "dark"):
                if f"on-{theme}" in image["classes"]:
                    figures.setdefault(image["parent"], []).append(theme)
                    if image["shown"]:
                        shown.setdefault(image["parent"], []).append(theme)
        assert all(themes == ["light", "dark"] for themes in figures.values())
        assert shown == {figure: [scheme] for figure in figures}


@each_form
@each_page
def test_figures_lie_on_the_ground_of_the_page(look: Look, name: str, form: Form):
    # The theme puts a light plate and a filter on pictures that it does not know.
    for image in itertools.chain.from_iterable(look(name, form).images.values()):
        if "dark-light" in image["classes"] and image["shown"]:
            assert image["ground"] == "rgba(0, 0, 0, 0)", image["file"]
            assert image["filter"] == "none", image["file"]


@each_form
@each_page
def test_nothing_sticks_out(look: Look, name: str, form: Form):
    assert look(name, form).overflow == []


@each_form
@each_page
def test_axe_finds_nothing(look: Look, name: str, form: Form):
    found = look(name, form)
    assert {how: bad for how, bad in found.violations.items() if bad} == {}
    if form == DESKTOP or name in AUDITED_ON_A_PHONE:
        assert set(found.violations) == {"dark", "forced colors", "light"}
        # On every page there are at least a title, a text, and a link.
        assert found.ways >= 5


@each_page
def test_headings_go_down_one_step_at_a_time(look: Look, name: str):
    levels = look(name, DESKTOP).headings
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), levels


@each_page
def test_tables_have_heads(look: Look, name: str):
    assert look(name, DESKTOP).headless == 0


@each_page
def test_a_page_describes_itself(look: Look, name: str):
    found = look(name, DESKTOP)
    if name == "404":
        assert found.says["robots"] == "noindex"
        return
    text = found.says["description"]
    assert 40 <= len(text) <= 160
    assert found.says["og:description"] == text
    assert found.says["og:image"].endswith("_static/card.png")
    assert found.links_of_headings or name in {"genindex", "search", "status"}


@each_page
def test_formulas_are_drawn(look: Look, name: str):
    formulas = look(name, DESKTOP).formulas
    written = re.findall(r"<math[ >]", (SITE / f"{name}.html").read_text("utf8"))
    assert len(formulas) == len(written)
    for formula in formulas:
        assert formula["namespace"] == "http://www.w3.org/1998/Math/MathML"
        if not formula["on_paper"]:
            assert formula["width"] > 3, formula
            assert formula["height"] > 3, formula
        assert "\\" not in formula["text"]


def test_formulas_are_set_as_in_print(browser: Browser, address: str):
    context = DESKTOP.open(browser)
    page = context.new_page()
    page.goto(f"{address}optimizers.html")
    assert max(page.evaluate(HEIGHTS_OF_FORMULAS)) < ONE_LINE
    assert_aligned(page.evaluate(PLACES_OF_SIGNS))
    context.close()


@each_page
def test_nothing_is_left_that_was_not_understood(look: Look, name: str):
    assert look(name, DESKTOP).leftovers == []


@each_page
def test_numbers_look_like_the_text_around_them(look: Look, name: str):
    assert look(name, DESKTOP).shouting == []


def test_screenshots_of_all_pages_are_kept_where_they_are_asked_for(look: Look):
    for form in (DESKTOP, PHONE):
        for name in pages():
            screenshot = look(name, form).screenshot
            if not ARTIFACTS:
                assert screenshot is None
                continue
            assert screenshot
            with Image.open(screenshot) as image:
                assert image.width == form.width
                assert image.height >= form.height
