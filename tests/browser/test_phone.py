"""Pictures and tables on a phone: letters that can be read, and all that there is."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from visiting import PHONE, pages, swipe

from book import SITE

SMALLEST = 11  # pixels of CSS

# Matplotlib draws letters as outlines of this size, and shrinks them.
OUTLINE_POINTS = 100

SVG = "{http://www.w3.org/2000/svg}"


@cache
def letters(file: Path) -> tuple[float, float]:
    """Return how high a picture's smallest letters are and how wide it is, as drawn."""
    if file.suffix == ".svg":
        root = ElementTree.parse(file).getroot()
        width = float(root.attrib["width"].removesuffix("pt"))
        return min(letters_of_svg(root)), width
    # The still of an animation: the GIF beside it says how large it was drawn.
    with Image.open(file.with_suffix(".gif")) as gif:
        said = re.search(rb"letters=([\d.]+)", gif.info["comment"])
        assert said
        return float(said[1]), gif.width


def letters_of_svg(root: ElementTree.Element) -> Iterator[float]:
    """Yield the height of every letter, in the points of the picture."""
    for group in root.iter(f"{SVG}g"):
        if group.get("id", "").startswith("text_"):
            for word in group.iter(f"{SVG}g"):
                if "scale(" in word.get("transform", ""):
                    size = scale(word) * OUTLINE_POINTS
                    for letter in word.iter(f"{SVG}use"):
                        yield size * scale(letter)


def scale(element: ElementTree.Element) -> float:
    found = re.search(r"scale\(([\d.]+)", element.get("transform", ""))
    return float(found[1]) if found else 1.0


# Also of what is hidden: what a script or a dark page puts in a still's place.
PICTURES = """() => {
    const across = document.querySelector("figure")?.clientWidth;
    const pictures = document.querySelectorAll("figure picture:not(.animation)");
    return [...pictures].map((it) => {
        const source = it.querySelector("source");
        return {
            fits: source !== null && matchMedia(source.media).matches,
            file: source?.srcset,
            across: Math.min(across, Number(source?.getAttribute("width"))),
        };
    });
}"""


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Page]:
    context = PHONE.open(browser, has_touch=True, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def test_letters_are_large_enough_and_tables_show_that_they_go_on(
    phone: Page, address: str
):
    seen, small, wide = 0, [], 0
    for name in pages():
        if not re.search("<picture|<table", (SITE / f"{name}.html").read_text("utf8")):
            continue
        phone.goto(f"{address}{name}.html")
        for picture in phone.evaluate(PICTURES):
            assert picture["fits"], f"{name} has a picture without a narrow form"
            height, width = letters(SITE / picture["file"])
            shown = height * picture["across"] / width
            seen += 1
            if shown < SMALLEST:
                small.append(f"{name}: {shown:.1f} px in {picture['file']}")
        for table in phone.locator("main table:visible").all():
            wide += shows_that_it_goes_on(table, name)
    assert small == []
    assert seen >= 120  # some sixty, light and dark
    assert wide >= 3


def shows_that_it_goes_on(table: Locator, name: str) -> bool:
    """Return whether a table goes on; if so, see that this shows, and that one can."""
    box = table.locator("xpath=..")
    fits = table.evaluate("table => table.getBoundingClientRect().right <= innerWidth")
    if fits and box.evaluate("box => box.scrollWidth <= box.clientWidth"):
        return False
    where = f"{name}: {table.inner_text()[:40]!r}"
    assert box.evaluate("box => getComputedStyle(box).overflowX") == "auto", where
    assert box.get_attribute("tabindex") == "0", where
    assert len(box.get_attribute("aria-label") or "") > 10, where
    assert "end" in (box.get_attribute("data-goes-on") or "").split(), where
    assert box.evaluate(FADES) == [False, True], where
    # By keyboard to its end, where nothing goes on.
    box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    expect(box).to_have_attribute("data-goes-on", re.compile("^start"))
    sticks = "sortable-scroll" in (box.get_attribute("class") or "")
    assert box.evaluate(FADES) == [not sticks, False], where
    return True


# Whether a box fades at its start, and at its end.
FADES = """box => {
    const mask = getComputedStyle(box).maskImage.split(", linear-gradient")[0];
    const colors = mask.match(/rgba?\\([^)]*\\)/g) ?? [];
    return [colors.at(0), colors.at(-1)].map(color => color === "rgba(0, 0, 0, 0)");
}"""

# Of what scrolls, what does not say that it goes on.
UNMARKED = """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1
    && box.getClientRects().length && getComputedStyle(box).overflowX === "auto"
    && !box.dataset.goesOn?.includes("end")).map(box => box.textContent.slice(0, 60))"""


def test_code_output_and_formulas_show_that_they_go_on(phone: Page, address: str):
    boxes = phone.locator("article :is(pre, .math-block, .live-output)")
    for name in ("network", "experiment"):
        phone.goto(f"{address}{name}.html")
        phone.evaluate(
            "for (const fold of document.querySelectorAll('details')) fold.open = true"
        )
        expect(boxes.and_(phone.locator("[data-goes-on~=end]")).nth(9)).to_be_attached()
        phone.wait_for_function(
            f"({UNMARKED})([...document.querySelectorAll("
            "'article :is(pre, .math-block)')]).length === 0"
        )
    # What code gives later, which ran in the page.
    phone.evaluate(
        """() => {
            const output = document.createElement("div");
            output.className = "live-output";
            output.style.overflowX = "auto";
            output.innerHTML = `<pre>${"later ".repeat(99)}</pre>`;
            output.firstChild.style.overflow = "visible";
            document.querySelector("div.cell").append(output);
        }"""
    )
    later = phone.locator(".live-output")
    expect(later).to_have_attribute("data-goes-on", "end")
    assert later.evaluate(FADES) == [False, True]


def test_the_sign_beside_a_heading_takes_no_line_and_can_be_hit(
    phone: Page, address: str
):
    found = []
    for name in ("autoclip", "clipping", "separation", "api"):
        phone.goto(f"{address}{name}.html")
        found += phone.locator("a.headerlink").evaluate_all(
            """links => links.flatMap(link => {
                const { width, height } = link.getBoundingClientRect();
                if (!width) return []; // folded
                const heading = link.parentElement, tall = heading.offsetHeight;
                link.style.display = "none";
                const bare = heading.offsetHeight;
                link.style.display = "";
                return width < 24 || height < 24 || tall > bare + 4
                    ? [[heading.textContent, width, height, tall, bare]] : [];
            })"""
        )
    assert found == []


def test_the_table_of_sixty_is_dark_in_the_dark_and_its_caption_whole(
    phone: Page, address: str
):
    phone.emulate_media(color_scheme="dark")
    phone.goto(f"{address}published.html")
    box = phone.locator(".sortable-scroll")
    grounds = box.evaluate(
        """box => { const found = [];
            for (let e = box; e.tagName !== "BODY"; e = e.parentElement)
                found.push(getComputedStyle(e).backgroundColor);
            return found; }"""
    )
    assert set(grounds) <= {"rgba(0, 0, 0, 0)", "rgb(18, 18, 18)"}
    caption = box.locator("caption span")
    for scrolled in (0, 300):
        box.evaluate("(box, by) => { box.scrollLeft = by; }", scrolled)
        frame, words = box.bounding_box(), caption.bounding_box()
        assert frame
        assert words
        assert frame["x"] <= words["x"]
        assert words["x"] + words["width"] <= frame["x"] + frame["width"]
    # Its lines go through the column that stays in sight, too.
    lines = box.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].slice(0, 2).map(cell =>"
        " getComputedStyle(cell).borderTopWidth).join())"
    )
    assert set(lines) == {"1px,1px"}
    phone.emulate_media(color_scheme="light")


def test_a_phone_loads_the_narrow_form_alone(phone: Page, address: str):
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.url.split("/")[-1]))
    phone.goto(f"{address}line.html")
    for picture in phone.locator("figure picture:has(.on-light)").all():
        picture.scroll_into_view_if_needed()
        image = picture.locator("img")
        expect(image).to_have_js_property("complete", True)
        narrow = picture.locator("source").get_attribute("srcset") or ""
        assert image.evaluate("image => image.currentSrc").endswith(narrow)
        assert (image.get_attribute("src") or "").split("/")[-1] not in asked


def test_a_picture_opens_large_by_tap_and_by_keyboard(phone: Page, address: str):
    phone.goto(f"{address}line.html")
    figure = phone.locator("figure:has(.enlarge)").first
    button = figure.get_by_role("button", name=re.compile(r"Enlarge: \w+ \w+"))
    dialog = phone.get_by_role("dialog", name="The picture, enlarged")
    for how in (button.tap, lambda: button.press("Enter")):
        how()
        expect(dialog).to_be_visible()
        large = dialog.locator("img")
        expect(large).to_have_js_property("complete", True)
        assert large.evaluate("image => image.naturalWidth") > 0
        box = large.bounding_box()
        assert box
        # As large as a page's, and what does not fit is scrolled to.
        assert box["width"] >= 700
        scroller = dialog.locator("div")
        scroller.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
        assert scroller.evaluate("box => box.scrollLeft") > 300
        assert large.get_attribute("alt") == figure.locator("img").first.get_attribute(
            "alt"
        )
        phone.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(button).to_be_focused()
    # Two fingers enlarge whatever there is.
    viewport = phone.locator('meta[name="viewport"]').first.get_attribute("content")
    assert not re.search("user-scalable|maximum-scale", viewport or "")


@pytest.mark.parametrize(
    ("name", "which"), [("separation", ".takes-place"), ("gradient", ".film-scrubber")]
)
def test_a_player_is_set_across_and_lets_a_finger_scroll(
    phone: Page, address: str, name: str, which: str
):
    phone.goto(f"{address}{name}.html")
    place = phone.locator(which).first
    place.evaluate("e => e.scrollIntoView({block: 'center', behavior: 'instant'})")
    expect(place).to_be_enabled()
    size = place.bounding_box()
    assert size
    x, y = size["x"] + size["width"] / 4, size["y"] + size["height"] / 2
    before = phone.evaluate("scrollY")
    swipe(phone, x, y, 0, size["width"] / 4)
    middle = float(place.get_attribute("max") or 0) / 2
    phone.wait_for_function(
        "([which, middle]) => Math.abs(document.querySelector(which).value - middle)"
        " < middle / 4",
        arg=[which, middle],
    )
    assert phone.evaluate("scrollY") == before
    set_to = place.input_value()
    swipe(phone, x, y, 150)
    phone.wait_for_function("from => scrollY > from + 50", arg=before)
    expect(place).to_have_value(set_to)
