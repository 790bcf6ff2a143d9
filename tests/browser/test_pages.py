"""Every page, wide and narrow, light and dark."""

import re
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser
from setting import (
    HEIGHTS_OF_FORMULAS,
    ONE_LINE,
    PLACES_OF_SIGNS,
    assert_aligned,
)
from visiting import ARTIFACTS, DESKTOP, FORMS, PHONE, Form, Visit, pages, visit

from book import SITE

Look = Callable[[str, Form], Visit]

each_page = pytest.mark.parametrize("name", pages())
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


@pytest.fixture(scope="module")
def look(browser: Browser, address: str) -> Iterator[Look]:
    """Return a function that visits a page, once in each form."""
    contexts = {form: form.open(browser) for form in (DESKTOP, PHONE)}
    visits: dict[str, dict[Form, Visit]] = {name: {} for name in pages()}

    def found(name: str, form: Form) -> Visit:
        known = visits[name]
        if form not in known:
            opened = PHONE if form == PHONE else DESKTOP
            known |= visit(contexts[opened], address, name, opened)
        return known[form]

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
    found = look(name, form)
    assert [image["file"] for image in found.images if not image["width"]] == []


@each_form
@each_page
def test_a_figure_shows_the_picture_that_fits_the_page(
    look: Look, name: str, form: Form
):
    found = look(name, form)
    assert found.theme == form.scheme
    figures: dict[int, list[str]] = {}
    shown: dict[int, list[str]] = {}
    for image in found.images:
        for theme in ("light", "dark"):
            if f"on-{theme}" in image["classes"]:
                figures.setdefault(image["parent"], []).append(theme)
                if image["shown"]:
                    shown.setdefault(image["parent"], []).append(theme)
    assert all(themes == ["light", "dark"] for themes in figures.values())
    assert shown == {figure: [form.scheme] for figure in figures}


@each_form
@each_page
def test_figures_lie_on_the_ground_of_the_page(look: Look, name: str, form: Form):
    # The theme puts a light plate and a filter on pictures that it does not know.
    for image in look(name, form).images:
        if "dark-light" in image["classes"] and image["shown"]:
            assert image["ground"] == "rgba(0, 0, 0, 0)", image["file"]
            assert image["filter"] == "none", image["file"]


@pytest.mark.parametrize("form", [DESKTOP, PHONE], ids=lambda form: form.name)
@each_page
def test_nothing_sticks_out(look: Look, name: str, form: Form):
    assert look(name, form).overflow == []


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
