"""What a reader does with a page: look for a word, turn pages, open a solution."""

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from selectolax.lexbor import LexborHTMLParser
from visiting import DESKTOP, PHONE, listen, wait_for_late_script

from book import SITE, repository, table_of_contents, with_cells, with_exercises

each_chapter = pytest.mark.parametrize("name", with_cells())


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page in a context of its own."""
    context = DESKTOP.open(browser)
    yield context.new_page()
    context.close()


# What readers ask, and where the book answers: one of the first two results.
QUESTIONS = {
    "exploding gradients": "clipping#a-product-of-many-factors",
    "learning rate too high": "learning-rate",
    "How big a step": "learning-rate",
    "detach": "health#keep-numbers-not-tensors",
    "batch size": "schedule#how-large-a-batch-pays",
    "warm-up": "glossary#term-warm-up",
    "NaN": "clipping#what-clipping-does-not-cure",
    "zero_grad": "gradient#gradients-add-up-until-you-clear-them",
    "momentum": "optimizers#momentum",
    "percentile": "autoclip#a-percentile-drawn",
    "SI-SDR": "glossary#term-SI-SDR",
    "overfitting": "glossary#term-overfitting",
    "vanishing gradient": "glossary#term-vanishing-gradient",
    "Adam beta": "optimizers#adam",
    "clip_grad_norm_": "clipping#by-norm-not-by-value",
    "RuntimeError": "health#keep-numbers-not-tensors",
    "AutoClip": "autoclip",  # before the word's definition and the class of that name
    "landscape brute": "loss#the-landscape",
    "set_seed": "api#descent.seeds.set_seed",
}
# Below each result: its address, its text, and what is marked in it.
READ_RESULTS = """() => [...document.querySelectorAll("#search-results li:has(p)")].map(
    item => ({
        to: item.querySelector("a").getAttribute("href"),
        text: item.querySelector("p").textContent,
        marked: [...item.querySelectorAll("mark")].map(mark => mark.textContent),
    }))"""


def test_search_leads_to_the_section_that_answers(page: Page, address: str):
    page.goto(f"{address}search.html")
    field = page.locator(".bd-search-container input")
    status = page.get_by_role("status")
    expect(field).to_be_focused()
    wrong = {}
    for question, place in QUESTIONS.items():
        field.fill(question)
        expect(status).to_contain_text("the best first")
        results = page.evaluate(READ_RESULTS)
        first = [urlsplit(result["to"]) for result in results[:2]]
        found = [f"{url.path.removesuffix('.html')}#{url.fragment}" for url in first]
        if place not in [name.removesuffix("#") for name in found]:
            wrong[question] = found
        # What is marked is what was asked for, and the first excerpts have some of it.
        assert any(result["marked"] for result in results[:3]), question
    assert wrong == {}

    # Where sentences have the words, they are shown, not the code.
    field.fill("clip by value")
    expect(status).to_contain_text("the best first")
    texts = [result["text"] for result in page.evaluate(READ_RESULTS)[:4]]
    assert [text for text in texts if re.search(r" = |\w\(|import ", text)] == []

    field.fill("xylophonist")
    expect(status).to_have_text("Nothing in the book has “xylophonist”.")
    assert page.evaluate(READ_RESULTS) == []


def test_a_result_leads_to_its_words(page: Page, address: str):
    page.goto(f"{address}search.html?q=exploding+gradients")
    link = page.locator('#search-results a[href*="a-product-of-many-factors"]')
    link.click()
    expect(page.locator("#a-product-of-many-factors > h2")).to_be_in_viewport()
    page.wait_for_function("CSS.highlights.has('sought')")
    marked = page.evaluate(
        "[...CSS.highlights.get('sought')].map(range => range.startContainer.data"
        ".slice(range.startOffset, range.endOffset).toLowerCase())"
    )
    assert (
        {"exploding", "gradient"}
        <= set(marked)
        <= {*("exploding", "explode", "exploded", "gradient", "gradients")}
    )
    page.keyboard.press("Escape")
    assert page.evaluate("CSS.highlights.size") == 0


# Where the page stands, what "on this page" marks, and what it should: the heading that
# passed the line where links land, or one that the last screen shows.
READ_MARK = """() => {
    const links = [...document.querySelectorAll(".page-toc a")];
    const tops = links.map(link => document.querySelector(link.getAttribute("href"))
        .getBoundingClientRect().top);
    const left = document.documentElement.scrollHeight - innerHeight - scrollY;
    return {
        at: scrollY, left,
        marked: links.findIndex(link => link.ariaCurrent),
        active: document.querySelectorAll(".page-toc a.active").length,
        passed: tops.filter(top => top <= 100).length - 1,
        seen: tops.filter(top => top <= innerHeight).length - 1,
        count: links.length,
    };
}"""


def test_on_this_page_is_right_both_ways(page: Page, address: str):
    page.goto(f"{address}gradient.html")
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    settled = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    height = page.evaluate("document.documentElement.scrollHeight")
    wrong, ends = [], []
    for way in (1, -1):
        for _ in range(height // 700 + 2):
            page.mouse.wheel(0, 700 * way)
            page.wait_for_timeout(30)
            page.evaluate(settled)
            found = page.evaluate(READ_MARK)
            last_screen = found["left"] < DESKTOP.height
            most = found["seen"] if last_screen else found["passed"]
            if not found["passed"] <= found["marked"] <= most:
                wrong.append((way, found))
        ends.append(found)
    assert wrong == []
    bottom, top = ends
    assert bottom["left"] <= 1
    assert bottom["marked"] == bottom["count"] - 1
    assert (top["at"], top["marked"], top["active"]) == (0, -1, 0)

    # A link marks what it names, also where the page cannot scroll that far.
    link = page.locator(".page-toc a").nth(-2)
    link.click()
    expect(link).to_have_attribute("aria-current", "true")


def test_on_this_page_follows_in_a_long_chapter(page: Page, address: str):
    page.goto(f"{address}published.html")
    links = page.locator(".page-toc a")
    # More than the window has room for: else there is nothing to follow.
    expect(links.last).not_to_be_in_viewport()
    for way in (1, -1):
        for place in list(range(links.count()))[::way]:
            page.evaluate(
                """place => {
                    const link = document.querySelectorAll(".page-toc a")[place];
                    const top = document.querySelector(link.getAttribute("href"))
                        .getBoundingClientRect().top;
                    scrollBy({ top: top - 50, behavior: "instant" });
                }""",
                place,
            )
            page.wait_for_timeout(50)
            expect(page.locator(".page-toc a[aria-current]")).to_be_in_viewport(ratio=1)
    expect(links.first).to_be_in_viewport()


def test_links_lead_through_the_whole_book_and_back(page: Page, address: str):
    def leads(name: str, way: str) -> list[str]:
        html = LexborHTMLParser((SITE / f"{name}.html").read_text("utf8"))
        links = html.css(f".prev-next-area a.{way}")
        return [str(link.attributes["href"]) for link in links]

    order = table_of_contents()
    for here, there in pairwise(order):
        assert leads(here, "right-next") == [f"{there}.html"]
        assert leads(there, "left-prev") == [f"{here}.html"]
    assert leads(order[0], "left-prev") == leads(order[-1], "right-next") == []

    first, second = (f"{address}{name}.html" for name in order[:2])
    page.goto(first)
    page.locator(".prev-next-area a.right-next").click()
    page.wait_for_url(second, wait_until="domcontentloaded")
    page.locator(".prev-next-area a.left-prev").click()
    page.wait_for_url(first, wait_until="domcontentloaded")


def test_the_menu_lists_every_page(page: Page, address: str):
    page.goto(f"{address}{table_of_contents()[0]}.html")
    links = page.locator(".bd-sidebar-primary nav.bd-links a.reference").all()
    found = [urlsplit(link.get_attribute("href") or "").path for link in links]
    expected = [f"{name}.html" for name in table_of_contents()[1:]]
    assert [path for path in found if path in expected] == expected


def test_solutions_open_by_mouse_and_by_keyboard(page: Page, address: str):
    page.goto(f"{address}{with_exercises()[-1]}.html")
    solutions = page.locator(".solution.dropdown")
    # All others are made in the same way, of elements that every browser knows.
    for solution in (solutions.first, solutions.last):
        content = solution.locator("section").first
        title = solution.locator("summary")
        expect(content).to_be_hidden()

        # Wherever in its bar, also far from its words.
        title.click(position={"x": 5, "y": 5})
        expect(content).to_be_visible()
        title.click(position={"x": 300, "y": 20})
        expect(content).to_be_hidden()

        title.focus()
        page.keyboard.press("Enter")
        expect(content).to_be_visible()
        page.keyboard.press("Space")
        expect(content).to_be_hidden()


def test_a_solution_is_reached_by_tab(page: Page, address: str):
    page.goto(f"{address}{with_exercises()[0]}.html")
    solutions = page.locator(".solution.dropdown")
    solutions.first.locator("summary").focus()
    # Nothing in what is closed is on the way to the next.
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(solutions.first.locator("section").first).to_be_visible()


def test_folded_bars_are_of_one_height(page: Page, address: str):
    page.goto(f"{address}{with_exercises()[0]}.html")
    for kind in ("dropdown", "hide"):
        heights = page.locator(f"article details.{kind}").evaluate_all(
            "all => all.map(bar => Math.round(bar.getBoundingClientRect().height))"
        )
        assert len(heights) > 1
        assert len(set(heights)) == 1


def links(name: str, menu: str) -> dict[str, str]:
    """Return where a page's menu leads, by the words of its entries."""
    page = LexborHTMLParser((SITE / f"{name}.html").read_text("utf8"))
    entries = page.css(f".dropdown-{menu}-buttons .dropdown-menu a")
    return {entry.text().strip(): entry.attributes["href"] or "" for entry in entries}


def test_code_is_copied_by_a_button(page: Page, address: str):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}{with_cells()[1]}.html")
    code = page.locator("article .cell_input").first
    code.hover()
    code.locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == code.locator("pre").inner_text().strip()


@pytest.mark.parametrize("menu", ["launch", "download"])
def test_a_menu_opens_also_when_it_is_pressed_before_the_page_is_there(
    page: Page, address: str, menu: str
):
    held: list[Route] = []
    page.route("**/late.js*", lambda route: held.append(route))
    page.goto(f"{address}{with_cells()[0]}.html")
    # Under a mouse a menu opens by itself; a finger and the keyboard press its button.
    button = page.locator(f".dropdown-{menu}-buttons > button")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "false")
    held[0].continue_()
    expect(button).to_have_attribute("aria-expanded", "true")
    entry = page.locator(f".dropdown-{menu}-buttons .dropdown-menu a").first
    expect(entry).to_be_visible()
    entry.hover()
    expect(page.locator(".tooltip")).to_be_visible()
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(entry).to_be_hidden()


@pytest.mark.parametrize("keys", [["Escape"], ["Tab", "Tab"], ["Enter"], ["Control+k"]])
def test_a_menu_that_is_no_longer_wanted_does_not_open(
    page: Page, address: str, keys: list[str]
):
    held: list[Route] = []
    page.route("**/late.js*", lambda route: held.append(route))
    name = with_cells()[0]
    page.goto(f"{address}{name}.html")
    button = page.locator(".dropdown-launch-buttons > button")
    button.press("Enter")
    for key in keys:
        page.keyboard.press(key)
    there = page.evaluate_handle("document.activeElement")
    held[0].continue_()
    wait_for_late_script(page, name)
    expect(button).to_have_attribute("aria-expanded", "false")
    assert page.evaluate("there => there === document.activeElement", there)


def test_menus_that_could_not_be_loaded_are_asked_for_again(page: Page, address: str):
    page.route("**/late.js*", lambda route: route.abort())
    page.goto(f"{address}{with_cells()[0]}.html", wait_until="networkidle")
    button = page.locator(".dropdown-launch-buttons > button")
    with page.expect_event("requestfailed"):
        button.press("Enter")
    page.unroute("**/late.js*")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")


def test_on_a_phone_the_contents_make_way_for_what_they_lead_to(
    browser: Browser, address: str
):
    context = PHONE.open(browser, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}{with_exercises()[0]}.html")
    page.locator(".secondary-toggle").tap()
    panel = page.locator("#pst-secondary-sidebar-modal")
    expect(panel).to_be_visible()
    link = panel.locator("a[href^='#']").nth(3)
    section = page.locator(link.get_attribute("href") or "")
    link.tap()
    expect(panel).to_be_hidden()
    expect(section.locator("h2, h3").first).to_be_in_viewport()
    context.close()


@each_chapter
def test_launch_buttons_lead_to_the_chapter(name: str):
    owner, repo, _ = repository()
    launch = links(name, "launch")
    assert unquote(launch["Binder"]) == (
        f"https://mybinder.org/v2/gh/{owner}/{repo}/environment"
        f"?urlpath=lab/tree/{name}.ipynb"
    )
    assert launch["Colab"] == (
        f"https://colab.research.google.com/github/{owner}/{repo}"
        f"/blob/notebooks/{name}.ipynb"
    )


@each_chapter
def test_the_notebook_for_download_is_there(name: str):
    assert links(name, "download")[".ipynb"] == f"notebooks/{name}.ipynb"
    notebook = nbformat.read(SITE / "notebooks" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)


def test_pages_without_cells_offer_no_launch():
    for name in sorted(set(table_of_contents()) - set(with_cells())):
        assert links(name, "launch") == {}, name
        assert ".ipynb" not in links(name, "download"), name


def theme(page: Page) -> str:
    return page.evaluate("document.documentElement.dataset.theme")


def test_dark_mode_stays_on_the_next_page(page: Page, address: str):
    first, second = with_exercises()[0], table_of_contents()[-1]
    page.goto(f"{address}{first}.html")
    assert theme(page) == "light"
    button = page.locator(".bd-header-article .theme-switch-button")
    for _ in range(3):
        if theme(page) != "dark":
            button.click()
    assert theme(page) == "dark"
    assert page.locator("img.on-dark").first.is_visible()
    assert not page.locator("img.on-light").first.is_visible()

    page.goto(f"{address}{second}.html")
    assert theme(page) == "dark"
    page.emulate_media(color_scheme="light")
    page.reload()
    assert theme(page) == "dark"


def test_the_first_tab_reaches_the_skip_link(page: Page, address: str):
    page.goto(f"{address}{with_exercises()[0]}.html")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    expect(link).to_have_text("Skip to main content")
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    # The next stop lies within the text.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_phone_reader_opens_the_menu(browser: Browser, address: str):
    context = PHONE.open(browser, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}{with_exercises()[0]}.html")
    link = page.locator(".bd-sidebar-primary nav.bd-links a.reference").last
    expect(link).not_to_be_in_viewport()
    page.locator("button.primary-toggle").first.tap()
    menu = page.locator("#pst-primary-sidebar-modal nav.bd-links a.reference").last
    expect(menu).to_be_visible()
    menu.tap()
    page.wait_for_url(f"{address}{table_of_contents()[-1]}.html")
    context.close()


def test_a_page_opens_from_the_disk(page: Page):
    problems = listen(page, "")
    page.goto((SITE / f"{with_exercises()[0]}.html").as_uri())
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths
    assert all(widths)
    expect(page.locator("article h1")).to_be_visible()
    assert page.locator("math").count()
    assert problems == []


def test_a_line_of_code_as_long_as_they_get_fits_beside_the_menus(
    page: Page, address: str
):
    page.goto(f"{address}experiment.html")
    too_long = page.locator("article .cell_input pre").evaluate_all(
        """(all, most) => all.filter(e => e.getClientRects().length
            && Math.max(...e.textContent.split("\\n").map(l => l.length)) <= most
            && e.scrollWidth > e.clientWidth).map(e => e.textContent)""",
        78,
    )
    assert too_long == []
