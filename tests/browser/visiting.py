"""What a page looks like to a browser: one visit gathers it, many tests ask for it."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from auditing import Auditor
from playwright.sync_api import Browser, BrowserContext, Page

from book import SITE

# The folder for pictures of all pages, which take as long as all other looking.
ARTIFACTS = os.environ.get("DESCENT_ARTIFACTS")


@dataclass(frozen=True)
class Form:
    """A way of looking at a page."""

    name: str
    width: int
    height: int
    scheme: str

    def open(self, browser: Browser, **more: Any) -> BrowserContext:
        """Return a new context of this form."""
        return browser.new_context(
            viewport={"width": self.width, "height": self.height},
            color_scheme=self.scheme,
            **more,
        )


DESKTOP = Form("desktop-light", 1280, 900, "light")
DARK = Form("desktop-dark", 1280, 900, "dark")
PHONE = Form("phone-light", 390, 844, "light")


def pages() -> list[str]:
    """Return all pages of the site, by their paths without the ending."""
    found = sorted(
        path.relative_to(SITE).with_suffix("").as_posix()
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts
    )
    # Without a site there is one page, on which all tests fail.
    return found or ["index"]


def listen(page: Page, host: str) -> list[str]:
    """Return a list that fills with what goes wrong while a page is open."""
    problems: list[str] = []

    def said(message: Any) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"console {message.type}: {message.text}")

    def asked(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != host:
            problems.append(f"asks another host: {request.url}")

    def answered(response: Any) -> None:
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
    page.on("request", asked)
    page.on("response", answered)
    page.on(
        "requestfailed",
        lambda request: problems.append(f"failed: {request.url}: {request.failure}"),
    )
    return problems


def swipe(page: Page, x: float, y: float, by: float, across: float = 0) -> None:
    """Put a finger down and pull it upward, or across too, and lift it."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)}
        )

    touch("touchStart", {"x": x, "y": y})
    for part in range(1, 9):
        there = {"x": x + across * part / 8, "y": y - by * part / 8}
        touch("touchMove", there)
    touch("touchEnd")
    session.detach()


def wait_for_late_script(page: Page, name: str) -> None:
    """Wait for the script that a page asks for when it is there; 404 has none."""
    if name != "404":
        page.wait_for_function("window.bootstrap")


# A JPEG, which a browser writes in half the time, cannot be taller.
TALLEST = 65_000

# What `listen` says of a picture that the browser no longer wanted.
GIVEN_UP = re.compile(r"failed: \S+/_images/\S+: net::ERR_ABORTED$")

# Load pictures that the page would load later, and wait until all are decoded.
LOAD_IMAGES = """async () => {
    const images = [...document.images];
    for (const image of images) image.loading = "eager";
    await Promise.all(images.map(image => image.decode().catch(() => null)));
    return images.map(image => ({
        file: image.currentSrc.split("/").pop(),
        width: image.naturalWidth,
        across: image.getBoundingClientRect().width,
        form: image.closest("picture")?.querySelector("source")?.media ?? null,
        svg: image.currentSrc.endsWith(".svg"),
        shown: image.getClientRects().length > 0,
        classes: [...image.classList],
        ground: getComputedStyle(image).backgroundColor,
        filter: getComputedStyle(image).filter,
        parent: [...document.querySelectorAll("figure")].indexOf(
            image.closest("figure")),
    }));
}"""

# Elements of the text that stick out of the window where nothing scrolls.
FIND_OVERFLOW = """() => {
    const found = [];
    const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > wide)
        found.push(`the page is ${document.documentElement.scrollWidth} wide`);
    const scrolls = element => {
        for (let e = element.parentElement; e && e.tagName !== "MAIN";
             e = e.parentElement)
            if (["auto", "scroll"].includes(getComputedStyle(e).overflowX)) return true;
        return false;
    };
    for (const element of document.querySelectorAll("article.bd-article *")) {
        if (element.closest("math, svg, .visually-hidden, .sr-only")) {
            if (!["math", "svg"].includes(element.tagName)) continue;
        }
        const box = element.getBoundingClientRect();
        if (box.width && box.height && box.right > wide + 1 && !scrolls(element))
            found.push(`${element.outerHTML.slice(0, 100)} ends at ${box.right}`);
    }
    return found.slice(0, 5);
}"""

THEME = "document.documentElement.dataset.theme"

# What a reader should never read: formulas and roles that were not understood.
FIND_LEFTOVERS = """() => {
    const found = [];
    const main = document.querySelector("article.bd-article");
    if (!main) return found;
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, text = node.textContent;
        if (node.parentElement.closest("pre, code, script, style")) continue;
        if (/\\\\[a-zA-Z(\\[]|\\$|\\{[a-z:]+\\}|:::|```/.test(text))
            found.push(text.trim().slice(0, 100));
    }
    return found;
}"""

# Numbers that the build put into the text, in other letters than the text.
FIND_SHOUTING = """() => [...document.querySelectorAll("article .pasted-text")]
    .filter(e => getComputedStyle(e).fontWeight
        !== getComputedStyle(e.parentElement).fontWeight)
    .map(e => e.textContent)"""

# Open hidden solutions, and show what terms mean, first: what is hidden has no size.
MEASURE_MATH = """() => {
    document.querySelectorAll("details").forEach(details => { details.open = true; });
    const meanings = [...document.querySelectorAll(".meaning")];
    meanings.forEach(meaning => meaning.showPopover());
    const measured = [...document.querySelectorAll("math")].map(math => {
        const box = math.getBoundingClientRect();
        return {
            on_paper: math.closest(".onlyprint") !== null,
            text: math.textContent,
            namespace: math.namespaceURI,
            width: box.width,
            height: box.height,
        };
    });
    meanings.forEach(meaning => meaning.hidePopover());
    return measured;
}"""


READ_HEADINGS = """() =>
    [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
    .filter(h => h.getClientRects().length).map(h => Number(h.tagName[1]))"""
COUNT_HEADLESS_TABLES = """() =>
    [...document.querySelectorAll("main table:not(.indextable)")]
    .filter(table => !table.querySelector("th")).length"""
READ_DESCRIPTIONS = """() => Object.fromEntries(
    [...document.querySelectorAll("meta[content]")].map(
        meta => [meta.name || meta.getAttribute("property"), meta.content]))"""
COUNT_LINKS_OF_HEADINGS = """() => document.querySelectorAll(
    "h1 a.headerlink, h2 a.headerlink").length"""

# Words and colors of a page are the same on a phone. What a phone has instead of what
# a desktop has (menus, narrow pictures, controls, takes, wide tables) is on these.
AUDITED_ON_A_PHONE = {"index", "optimizers", "separation", "published", "search"}


@dataclass
class Visit:
    """What a visit of a page found.

    Attributes
    ----------
    problems : list of str
        Messages of the console, requests to others, requests that failed.
    themes : dict of str to str
        Of the page, by what the reader prefers: light or dark.
    images : dict of str to list of dict
        By theme.
    formulas : list of dict
    overflow : list of str
        What sticks out, with folds closed and open, and on a desktop also when the page
        is enlarged to 200 %.
    leftovers, shouting : list of str
    violations : dict of str to list of str
        What axe says, by how the page was looked at.
    ways : int
        In how many ways words are written; 0 where it was not looked at.
    headings : list of int
        Their levels.
    headless : int
        How many tables have no head.
    says : dict of str to str
        How the page describes itself, by the names of its `meta` elements.
    links_of_headings : int
    screenshot : Path or None
        None where nobody asked for any.
    """

    problems: list[str]
    themes: dict[str, str] = field(default_factory=dict)
    images: dict[str, list[dict[str, Any]]] = field(default_factory=dict, repr=False)
    formulas: list[dict[str, Any]] = field(default_factory=list, repr=False)
    overflow: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    shouting: list[str] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)
    ways: int = 0
    headings: list[int] = field(default_factory=list)
    headless: int = 0
    says: dict[str, str] = field(default_factory=dict)
    links_of_headings: int = 0
    screenshot: Path | None = None


def prefer(page: Page, scheme: str) -> None:
    """Let a reader's system ask for light or dark, and wait until colors have faded."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(f"{THEME} === '{scheme}'")
    page.wait_for_timeout(300)


def visit(
    context: BrowserContext, address: str, name: str, form: Form, auditor: Auditor
) -> Visit:
    """Look at a page, in the dark and in the light; keep a screenshot if asked for."""
    page = context.new_page()
    try:
        found = Visit(listen(page, urlsplit(address).netloc))
        audited = form == DESKTOP or name in AUDITED_ON_A_PHONE
        page.emulate_media(color_scheme="dark" if audited else "light")
        page.goto(f"{address}{name}.html", wait_until="load")
        found.headings = page.evaluate(READ_HEADINGS)
        found.headless = page.evaluate(COUNT_HEADLESS_TABLES)
        found.says = page.evaluate(READ_DESCRIPTIONS)
        found.links_of_headings = page.evaluate(COUNT_LINKS_OF_HEADINGS)
        if ARTIFACTS:
            found.screenshot = _screenshot(page, name, form, found.problems)
        found.overflow = page.evaluate(FIND_OVERFLOW)
        found.formulas = page.evaluate(MEASURE_MATH)
        found.overflow += page.evaluate(FIND_OVERFLOW)  # with folds open
        if audited:
            wait_for_late_script(page, name)
            found.themes["dark"] = page.evaluate(THEME)
            found.images["dark"] = page.evaluate(LOAD_IMAGES)
            auditor.begin(page)
            page.wait_for_timeout(300)  # what opens fades in
            found.violations["dark"], _ = auditor.contrast(page)
            page.emulate_media(forced_colors="active")
            found.violations["forced colors"] = auditor.pale(page)
            page.emulate_media(forced_colors="none")
            prefer(page, "light")
        found.themes["light"] = page.evaluate(THEME)
        found.images["light"] = page.evaluate(LOAD_IMAGES)
        found.leftovers = page.evaluate(FIND_LEFTOVERS)
        found.shouting = page.evaluate(FIND_SHOUTING)
        if audited:
            found.violations["light"], found.ways = auditor.contrast(page)
            found.violations["light"] += auditor.rules(page)
        if form == DESKTOP:
            # What a window of 1280 pixels shows at 200 % is what one of 640 shows.
            page.set_viewport_size({"width": 640, "height": 450})
            found.overflow += page.evaluate(FIND_OVERFLOW)
        return found
    finally:
        page.close()


def _screenshot(page: Page, name: str, form: Form, problems: list[str]) -> Path:
    """Leave a picture of a whole page, in the light, among the artifacts."""
    before = len(problems)
    path = Path(ARTIFACTS) / form.name / f"{name.replace('/', '-')}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    scheme = page.evaluate(THEME)
    prefer(page, "light")
    page.evaluate(LOAD_IMAGES)
    tall = page.evaluate("document.documentElement.scrollHeight")
    part = {"x": 0, "y": 0, "width": form.width, "height": min(tall, TALLEST)}
    page.screenshot(path=path, full_page=True, clip=part, quality=80)
    # Taking it makes the window narrow for a moment, and asks for other pictures; those
    # that are not there yet when it is wide again, the browser gives up.
    page.evaluate(LOAD_IMAGES)
    problems[before:] = [p for p in problems[before:] if not GIVEN_UP.match(p)]
    prefer(page, scheme)
    return path
