"""A chapter's code runs in its page: with the real server, and when there is none.

`tools/live` serves the book and starts the server, as `make live` does.
"""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import nbformat
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from launching import Server, fresh_environment
from playwright.sync_api import Browser, Locator, Page, expect
from reading import page_of

from book import ROOT, SITE, with_cells
from descent.page.figures import DARK, GROUND, INK
from live import PROGRAM
from notebooks import LIVE, ON_PAGE
from other_hosts import Reader

SECONDS = 1000  # of milliseconds

OFFER = "Run the code on this page"
EXERCISE = "Code of cell 9"
SOLUTION = """from descent.exercises import check

def count(network):
return sum(p.numel() for p in network.parameters() if p.requires_grad)
"""


@dataclass(frozen=True)
class Home:
    """What `make live` has started: the book's address, and the server's."""

    process: subprocess.Popen[str]
    pages: str
    token: str
    server: Server

    @property
    def opened(self) -> str:
        """Return the address that is said, at the chapter `line`."""
        return f"{self.pages}line.html#token={self.token}"

    def kernels(self) -> list[str]:
        """Return the ids of running kernels."""
        return [kernel["id"] for kernel in self.server.call("GET", "api/kernels")]


@contextmanager
def started(home: Path) -> Iterator[Home]:
    """Run `tools/live`; end it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, ROOT / "tools" / "live"],
        env={**fresh_environment(home), "PORT": str(port), "DESCENT_SITE": str(SITE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline() + process.stdout.readline()
        addresses = re.findall(r"http://127\.0\.0\.1:\d+/", said)
        token = re.search(r"#token=(\S+)", said)
        assert token, said
        assert len(addresses) == 2, said
        yield Home(process, addresses[0], token[1], Server(addresses[1], token[1]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with started(tmp_path_factory.mktemp("home")) as running:
        yield running


def status(page: Page) -> Locator:
    return page.locator(".live [role=status]")


def expect_said(page: Page, words: str) -> None:
    expect(status(page)).to_contain_text(words, timeout=60 * SECONDS)


def article(page: Page) -> str:
    """Return what the page shows, without the place of the button."""
    html: str = page.evaluate(
        """() => {
          const copy = document.querySelector("article").cloneNode(true);
          copy.querySelector(".live").remove();
          // Made by other scripts, when somebody comes near.
          for (const part of copy.querySelectorAll("[tabindex]"))
            part.removeAttribute("tabindex");
          return copy.innerHTML;
        }"""
    )
    return html


def go_live(page: Page, address: str) -> str:
    """Open a page and start its code; return what the page showed before."""
    page.goto(address)
    page.get_by_role("button", name=OFFER).click()
    before = article(page)
    page.get_by_role("button", name="Start").click()
    return before


def tab_to(page: Page, name: str) -> None:
    """Press Tab, and Escape before it in code, until something has the focus."""
    for _ in range(200):
        focused = page.evaluate(
            "() => document.activeElement.ariaLabel || document.activeElement.innerText"
        )
        if focused == name:
            return
        if page.evaluate("() => document.activeElement.tagName") == "TEXTAREA":
            page.keyboard.press("Escape")
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never came to {name!r}")


def test_a_reader_by_keyboard_solves_an_exercise(page: Page, at_home: Home):
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(at_home.opened, wait_until="networkidle")
    # The token does not stay where others could see it.
    assert at_home.token not in page.url
    tab_to(page, OFFER)
    page.keyboard.press("Enter")
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_focused()
    expect(start).to_have_accessible_description(re.compile(r"127\.0\.0\.1.*Start"))
    assert not [url for url in asked if not url.startswith(at_home.pages)]
    assert not [url for url in asked if "thebe" in url or ".ipynb" in url]
    page.keyboard.press("Enter")
    expect_said(page, "Python is ready. This chapter has 11 cells")

    tab_to(page, EXERCISE)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(SOLUTION)
    page.keyboard.press("Backspace")  # the indentation of the line after
    for _ in range(3):
        page.keyboard.press("Backspace")
    page.keyboard.type('check("line-count", count)')
    editor = page.get_by_role("textbox", name=EXERCISE)
    typed = editor.input_value()
    page.keyboard.press("Shift+Enter")
    expect_said(page, "Cell 9 has run. Right.")
    cell = page.locator("div.cell", has=editor)
    expect(cell.locator(".live-output")).to_contain_text("Right.")
    expect(cell.get_by_text("Not answered yet.")).to_be_hidden()
    # What stands above it ran, too; a figure keeps its caption.
    figure = page.locator("div.cell").nth(1)
    expect(figure.get_by_role("img", name="Figure drawn by this cell")).to_be_visible()
    expect(figure.locator("figcaption")).to_be_visible()
    expect(figure.locator("figure img").first).to_be_hidden()
    # On a dark page it has the colors of one, as the book's own figures have.
    drawn = figure.locator(".live-output img")
    light = drawn.get_attribute("src") or ""
    assert quote(INK) in light
    page.emulate_media(color_scheme="dark")
    expect(drawn).to_have_attribute("src", re.compile(quote(DARK[INK])))
    assert not re.search(f"{quote(INK)}|{quote(GROUND)}", drawn.get_attribute("src"))
    page.emulate_media(color_scheme="light")
    expect(drawn).to_have_attribute("src", light)
    found = Axe().run(page, context={"include": [[".bd-article"]]}).response
    assert found["violations"] == []
    assert said == []
    assert not [u for u in asked if not re.match(r"(http|ws)://127\.0\.0\.1:", u)]

    # It is there again after a reload, and there is a way back to the book's.
    page.reload()
    # (The button below the exercise leads to its cell.)
    page.locator("[data-live-cell='line-count']").click()
    page.get_by_role("button", name="Start").click()
    expect_said(page, "Python is ready")
    expect(editor).to_have_value(typed)
    expect(editor).to_be_focused()
    page.get_by_role("button", name="Back to the book’s code").click()
    book = nbformat.read(SITE / LIVE / "line.ipynb", as_version=4).cells
    shown = [cell.source for cell in book if ON_PAGE in cell.metadata.tags]
    expect(editor).to_have_value(shown[8])
    assert page.evaluate("() => localStorage.getItem('live-code-line')") is None


def test_python_that_was_restarted_or_ended_leaves_the_page_as_it_was(
    page: Page, at_home: Home
):
    before = go_live(page, at_home.opened)
    expect_said(page, "Python is ready")
    kernel = at_home.kernels()[-1]
    cell = page.locator("div.cell").nth(2)
    page.get_by_role("button", name="Run to here cell 3").click()
    expect_said(page, "Cell 3 has run. weight = -0.0075")
    # Somebody else starts it anew: what runs next meets one that knows nothing.
    at_home.server.call("POST", f"api/kernels/{kernel}/restart")
    page.get_by_role("button", name="Run cell 3").click()
    expect_said(page, "has forgotten everything")
    expect(cell.locator(".live-output")).to_be_empty()
    expect(cell.locator(".cell_output pre")).to_be_visible()

    first = page.get_by_role("textbox", name="Code of cell 1", exact=True)
    first.fill("import os; os.kill(os.getpid(), 9)")
    first.press("Shift+Enter")
    expect_said(page, "Cell 1 is running")
    expect_said(page, "has forgotten everything")
    endless = "print('on')\nwhile True: pass"
    first.fill(endless)
    first.press("Shift+Enter")
    output = page.locator(".live-output").first
    expect(output).to_have_text("on", timeout=60 * SECONDS)
    page.get_by_role("button", name="Stop").click()
    expect_said(page, "Cell 1 stopped. KeyboardInterrupt")
    first.press("Shift+Enter")
    expect(output).to_have_text("on", timeout=60 * SECONDS)
    at_home.server.call("DELETE", f"api/kernels/{kernel}")
    expect_said(page, "ended Python")
    assert article(page) == before
    page.get_by_role("button", name="Try again").click()
    expect_said(page, "Python is ready")
    expect(first).to_have_value(endless)
    page.get_by_role("button", name="End").click()
    expect(page.get_by_role("button", name=OFFER)).to_be_focused()
    assert article(page) == before


def test_an_error_is_said_where_it_happened(page: Page, at_home: Home):
    go_live(page, at_home.opened)
    expect_said(page, "Python is ready")
    page.get_by_role("textbox", name="Code of cell 1", exact=True).fill("import torc")
    page.get_by_role("button", name="Run to here cell 9").click()
    expect_said(page, "Cell 1 stopped. ModuleNotFoundError: No module named 'torc'")
    bars = page.locator(".live-state")
    expect(bars.nth(0)).to_have_text("stopped")
    expect(bars.nth(8)).to_have_text("")


def test_a_refused_token_is_said(page: Page, at_home: Home):
    before = go_live(page, f"{at_home.pages}line.html#token=another")
    expect_said(page, "refused this page's token")
    assert article(page) == before
    assert (
        page.evaluate("() => window.thebeCore && document.querySelector('textarea')")
        is None
    )


def test_a_server_that_is_slow_is_said(page: Page, at_home: Home):
    page.clock.install()
    page.route("**/api/status*", lambda route: None)
    with page.expect_request("**/api/status*"):
        before = go_live(page, at_home.opened)
    page.clock.fast_forward(31 * SECONDS)
    expect_said(page, "has not answered for 30 seconds")
    assert article(page) == before


def test_a_server_that_dies_is_said(page: Page, tmp_path: Path):
    with started(tmp_path) as running:
        before = go_live(page, running.opened)
        expect_said(page, "Python is ready")
        for child in psutil.Process(running.process.pid).children(recursive=True):
            child.kill()
        expect_said(page, "The server does not answer any more.")
        assert article(page) == before
        page.get_by_role("button", name="Try again").click()
        expect_said(page, "No Jupyter server answers at")
        assert article(page) == before


# --- The published book ---------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def published() -> Iterator[str]:
    """Return the address of the site as it is published."""
    handler = partial(Quiet, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


# In place of the browser's own, which tests cannot answer.
EVENTS = """
window.EventSource = class {
  constructor(url) { Object.assign(this, {url}); window.binder = this; }
  close() { this.closed = true; }
  say(event) { this.onmessage({data: JSON.stringify(event)}); }
};
"""


def test_the_published_page_asks_binder(page: Page, at_home: Home):
    asked: list[str] = []
    page.add_init_script(EVENTS)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{at_home.pages}line.html", wait_until="networkidle")
    # As the page is published, but Binder's computers are this one.
    published = page_of("line").select_one(".live")
    assert published is not None
    binder = str(published["data-binder"])
    page.evaluate(
        """binder => {
          const {dataset} = document.querySelector(".live");
          delete dataset.server;
          dataset.binder = binder;
        }""",
        binder,
    )
    page.get_by_role("button", name=OFFER).click()
    offer = page.locator("#live-words")
    expect(offer).to_contain_text(re.compile(r"\(0\.\d MB\)"))
    expect(offer).to_contain_text("mybinder.org")
    before = article(page)
    assert page.evaluate("() => window.binder") is None
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("() => window.binder")
    build = f"{binder}/build/gh/descent-book/descent/environment"
    assert page.evaluate("() => window.binder.url") == build
    tell = "event => window.binder.say(event)"
    page.evaluate(tell, {"phase": "building", "message": "Step 3"})
    expect_said(page, "Binder is installing what the book needs")
    page.evaluate(tell, {"phase": "failed", "message": "no"})
    expect_said(page, "Binder cannot be reached, or has no computer to spare")
    assert article(page) == before

    page.get_by_role("button", name="Try again").click()
    page.wait_for_function("() => !window.binder.closed")
    url = at_home.server.url
    ready = {"phase": "ready", "message": "", "url": url, "token": at_home.token}
    page.evaluate(tell, ready)
    expect_said(page, "Python is ready")
    page.get_by_role("button", name="Run cell 1", exact=True).click()
    expect_said(page, "Cell 1 has run.")
    assert all(u.startswith((at_home.pages, url, "data:", "blob:")) for u in asked)


@pytest.mark.parametrize(
    "address", ["https://example.com/", "http://127.0.0.1:1/", "wss://mybinder.org.a/"]
)
def test_the_browser_refuses_all_other_hosts(page: Page, published: str, address: str):
    page.goto(f"{published}line.html")
    refused = page.evaluate(
        """address => new Promise(resolve => {
          addEventListener("securitypolicyviolation", e => resolve(e.blockedURI));
          if (address.startsWith("wss")) new WebSocket(address);
          else fetch(address).catch(() => {});
        })""",
        address,
    )
    assert refused.startswith(address.rstrip("/"))


def test_a_page_from_a_folder_says_why_it_cannot(page: Page):
    page.goto((SITE / "line.html").as_uri())
    page.get_by_role("button", name=OFFER).click()
    expect_said(page, "opened from a folder")


def test_without_scripts_there_is_no_button(browser: Browser, published: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{published}line.html")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text(OFFER)).to_be_hidden()
    context.close()


@pytest.mark.parametrize("name", with_cells())
def test_a_page_and_its_code_have_the_same_cells(name: str):
    code = nbformat.read(SITE / LIVE / f"{name}.ipynb", as_version=4).cells
    shown = [cell for cell in code if ON_PAGE in cell.metadata.tags]
    boxes = page_of(name).select("div.cell")
    assert len(shown) == len(boxes) > 0
    for cell, box in zip(shown, boxes, strict=True):
        assert cell.outputs == []
        text = box.select_one(".cell_input pre")
        assert text is None or text.get_text().rstrip() == cell.source.rstrip()


def test_a_program_that_is_not_the_one_that_was_read_is_refused(tmp_path: Path):
    copy = tmp_path / PROGRAM.name
    copy.write_bytes(PROGRAM.read_bytes())
    assert list(Reader().file(copy)) == []
    copy.write_bytes(PROGRAM.read_bytes() + b"\n")
    assert ("script", "https://cdn.jsdelivr.net/npm/") in list(Reader().file(copy))
