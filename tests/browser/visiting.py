"""What a page looks like to a browser: one visit gathers it, many tests ask for it."""

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
FORMS = (DESKTOP, DARK, PHONE)


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


@dataclass(frozen=True)
class Visit:
    """What a visit of a page found.

    Attributes
    ----------
    problems : list of str
        Messages of the console, requests to others, requests that failed.
    theme : str
        Of the page: light or dark.
    images, formulas : list of dict
    overflow, leftovers, shouting : list of str
    screenshot : Path or None
        None where nobody asked for any.
    """

    problems: list[str]
    theme: str
    images: list[dict[str, Any]] = field(repr=False)
    formulas: list[dict[str, Any]] = field(repr=False)
    overflow: list[str]
    leftovers: list[str]
    shouting: list[str]
    screenshot: Path | None


def keep_screenshot(page: Page, path: Path, form: Form) -> None:
    """Leave a picture of a whole page among the artifacts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tall = page.evaluate("document.documentElement.scrollHeight")
    part = {"x": 0, "y": 0, "width": form.width, "height": min(tall, TALLEST)}
    page.screenshot(path=path, full_page=True, clip=part, quality=80)


def visit(
    context: BrowserContext, address: str, name: str, form: Form
) -> dict[Form, Visit]:
    """Look at a page in the light, and on a desktop in the dark; keep a screenshot.

    The screenshot is kept if that is asked for.
    """
    page = context.new_page()
    try:
        problems = listen(page, urlsplit(address).netloc)
        page.goto(f"{address}{name}.html", wait_until="load")
        images = page.evaluate(LOAD_IMAGES)
        overflow = page.evaluate(FIND_OVERFLOW)
        screenshot = None
        if ARTIFACTS:
            before = len(problems)
            file = f"{name.replace('/', '-')}.jpg"
            screenshot = Path(ARTIFACTS) / form.name / file
            keep_screenshot(page, screenshot, form)
            # Taking it makes the window narrow for a moment, and asks for other
            # pictures; those that are not there yet when it is wide again, the browser
            # gives up.
            page.evaluate(LOAD_IMAGES)
            problems[before:] = [
                problem for problem in problems[before:] if not GIVEN_UP.match(problem)
            ]
        formulas = page.evaluate(MEASURE_MATH)
        overflow += page.evaluate(FIND_OVERFLOW)  # with solutions open
        light = Visit(
            problems=problems.copy(),
            theme=page.evaluate(THEME),
            images=images,
            formulas=formulas,
            overflow=overflow,
            leftovers=page.evaluate(FIND_LEFTOVERS),
            shouting=page.evaluate(FIND_SHOUTING),
            screenshot=screenshot,
        )
        if form != DESKTOP:
            return {form: light}
        # A page is as wide in the dark, and says the same.
        page.emulate_media(color_scheme=DARK.scheme)
        page.wait_for_function(f"{THEME} === '{DARK.scheme}'")
        images = page.evaluate(LOAD_IMAGES)
        dark = replace(light, problems=problems, theme=DARK.scheme, images=images)
        return {form: light, DARK: dark}
    finally:
        page.close()
