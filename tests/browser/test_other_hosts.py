"""What can make a browser ask another host is refused; and the browser agrees.

The browser reaches everything through a proxy, which writes down every host that it
was asked for, at the level of the network, and answers for none but the site.
"""

import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from planting import PLANTS, UNASKED, UNREACHED, host, planted
from playwright.sync_api import Browser

from book import ROOT, SITE
from other_hosts import PERMITS, Reader, needless
from site_check import add_policy

BOOK = "book.test"
OWN = f"http://{BOOK}/"


def refused(folder: Path, names: Iterator[str]) -> str:
    """Return all that is said of files."""
    reader = Reader(OWN)
    return "\n".join(
        f"{place}: {what}"
        for name in names
        for place, what in reader.file(folder / name)
    )


@pytest.mark.parametrize("name", PLANTS)
def test_what_names_another_host_is_refused(tmp_path, name):
    files = planted(name)
    for file, content in files.items():
        (tmp_path / file).write_text(content, "utf8")
    assert refused(tmp_path, iter(files)), f"passes: {files}"


HARMLESS = (
    '<a href="https://example.com/a?b=c#d">a link</a>',
    "<p>As text: https://example.com, //example.com and url(//example.com).</p>",
    "<!-- https://example.com -->",
    '<img src="a//b.png" alt="One half / the other: a ratio">',
    '<img src="data:image/png;base64,aHR0cHM6Ly9leGFtcGxlLmNvbQ==">',
    '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0 \n L 1 1"/></svg>',
    "<style>/* https://example.com */ a{background:url(a.png)}</style>",
    "<script>const ratio = 4 //half\n / 2; // https\n</script>",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_asks_nobody_passes(tmp_path, text):
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><body>{text}", "utf8")
    assert refused(tmp_path, iter(["page.html"])) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.html", '<!DOCTYPE html><base href="elsewhere/">'),
        ("a.svg", '<!DOCTYPE svg [<!ENTITY e "a">]><svg>&e;</svg>'),
        ("a.svg", "<svg><path></svg>"),
        ("a.json", "{"),
        ("page.html", '<!DOCTYPE html><meta charset="utf-7">'),
    ],
)
def test_what_cannot_be_read_as_a_browser_does_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf8")
    assert refused(tmp_path, iter([name]))


def test_the_site_needs_every_permit_and_no_other():
    own = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["html"]["baseurl"]
    reader = Reader(own)
    said = [
        f"{path.name}: {place}: {what}"
        for path in sorted(SITE.rglob("*"))
        if path.is_file()
        for place, what in reader.file(path)
    ]
    assert said == []
    assert needless(reader.used) == []
    assert needless(set()) == list(PERMITS)


class Proxy(SimpleHTTPRequestHandler):
    """Answers for the site, and writes down all other hosts."""

    asked: set[str]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.hostname == BOOK:
            self.path = parts.path
            super().do_GET()
        else:
            self.note(parts.hostname)

    def do_POST(self) -> None:
        self.note(urlsplit(self.path).hostname)

    do_HEAD = do_OPTIONS = do_POST

    def do_CONNECT(self) -> None:
        self.note(self.path.rpartition(":")[0])

    def note(self, name: str | None) -> None:
        self.server.asked.add(name)
        self.send_error(502)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Return a folder with pages full of plants, and one that loads them all."""
    folder = tmp_path_factory.mktemp("planted")
    for name in PLANTS:
        for file, content in planted(name).items():
            (folder / file).write_text(content, "utf8")
    frames = "".join(f'<iframe src="page-{name}.html"></iframe>' for name in PLANTS)
    (folder / "all.html").write_text(
        f"<!DOCTYPE html><html><head></head><body>{frames}</body></html>", "utf8"
    )
    return folder


@pytest.fixture
def proxy(site) -> Iterator[ThreadingHTTPServer]:
    """Return the proxy, serving that folder."""

    def handler(*args: object) -> Proxy:
        return Proxy(*args, directory=str(site))

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(browser: Browser, proxy: ThreadingHTTPServer, expected: set[str]) -> set[str]:
    """Return the hosts of plants that were asked for by all pages together."""
    address = f"http://127.0.0.1:{proxy.server_port}"
    context = browser.new_context(proxy={"server": address})
    page = context.new_page()
    page.goto(f"{OWN}all.html", wait_until="load")
    until = time.monotonic() + 20
    while time.monotonic() < until and not expected <= proxy.asked:
        page.wait_for_timeout(100)
    context.close()
    return {name for name in proxy.asked if name.endswith("example.com")}


def test_whatever_the_browser_asks_is_refused(browser, proxy, site):
    awaited = {host(name) for name in PLANTS if name not in UNASKED}
    asked = ask(browser, proxy, awaited)
    assert awaited <= asked, "plants that are none any more"
    said = refused(site, (path.name for path in sorted(site.iterdir())))
    refused_hosts = {
        host(name) for name in PLANTS if refused(site, iter(planted(name)))
    }
    assert asked <= refused_hosts, said


def test_with_the_policy_the_browser_asks_nobody_for_a_page(browser, proxy, site):
    add_policy(site, OWN)
    unreached = {host(name) for name in UNREACHED}
    assert ask(browser, proxy, unreached) <= unreached
