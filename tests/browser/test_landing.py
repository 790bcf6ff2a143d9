"""Links land on what they name, also when it grows while it is loaded."""

import pytest
from landing import ARRIVED, PLACES, TOP, figures_to_touch
from playwright.sync_api import Browser
from visiting import DESKTOP, PHONE, Form


@pytest.mark.parametrize(
    ("form", "places"),
    # A phone's figures grow most.
    [(PHONE, figures_to_touch()), (DESKTOP, figures_to_touch()[::4])],
    ids=["phone", "desktop"],
)
def test_a_link_leads_to_the_top_of_a_figure_to_touch(
    browser: Browser, address: str, form: Form, places: list[str]
):
    page = form.open(browser).new_page()
    tops = {}
    for place in places:
        page.goto("about:blank")  # from the same page it would be no way to it
        page.goto(f"{address}{place}")
        page.wait_for_function(ARRIVED)
        tops[place] = round(page.evaluate(TOP))
    page.context.close()
    assert {place: top for place, top in tops.items() if top not in PLACES} == {}


def test_a_link_within_a_page_leads_there_too(browser: Browser, address: str):
    name, _, place = figures_to_touch()[-1].partition("#")
    context = PHONE.open(browser)
    page = context.new_page()
    page.goto(f"{address}{name}")
    page.locator(f"article a[href='#{place}']").first.evaluate("link => link.click()")
    page.wait_for_function(ARRIVED)
    assert round(page.evaluate(TOP)) in PLACES
    context.close()
