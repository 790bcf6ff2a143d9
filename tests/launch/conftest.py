"""Launched servers for all tests, and the browser that tests/browser drives."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import PUBLISHED, Server, launched, prepare, settle
from playwright.sync_api import Browser, Page

sys.path.append(str(Path(__file__).parents[1] / "browser"))
from driving import browser

__all__ = ["bare_server", "browser", "home", "server"]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page on a desktop, which waits long for a server."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    yield page
    page.context.close()


def copied(folder: Path) -> Path:
    """Return a copy of what the build leaves, so that no test writes into it."""
    if not PUBLISHED.exists():
        pytest.fail(f"{PUBLISHED} is missing: build the book first (make book)")
    return Path(shutil.copytree(PUBLISHED, folder / "branch"))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home directory of the server that Binder would start."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server as in Binder: set up by its programs, notebooks trusted."""
    root = copied(tmp_path_factory.mktemp("binder"))
    prepare("postBuild", root, home)
    prepare("start", root, home)
    settle(home, myst=False)
    with launched(root, home) as running:
        yield running


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server as at home: with jupyterlab-myst, and nothing is trusted."""
    home = tmp_path_factory.mktemp("bare-home")
    settle(home, myst=True)
    with launched(copied(tmp_path_factory.mktemp("bare")), home) as running:
        yield running
