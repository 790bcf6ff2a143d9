"""What the tests of the book share: the built site, and a small book to break."""

from pathlib import Path

import pytest
from building import BUILD, SmallBook


@pytest.fixture(scope="session")
def site() -> Path:
    """Return the folder of the built book."""
    pages = BUILD / "html"
    assert (pages / "index.html").exists(), "the book is not built: run `make book`"
    return pages


@pytest.fixture
def small_book(tmp_path: Path) -> SmallBook:
    """Return a small book of its own for one test."""
    return SmallBook(tmp_path)
