"""One launched server for all tests, and the browser that tests/browser drives."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import Server, launched

from book import ROOT

sys.path.append(str(Path(__file__).parents[1] / "browser"))
from driving import browser

__all__ = ["browser", "home", "root", "server"]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository that is launched (`DESCENT_ROOT`)."""
    return ROOT


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home directory of the server."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def server(root: Path, home: Path) -> Iterator[Server]:
    """Return a launched server."""
    with launched(root, home) as found:
        yield found
