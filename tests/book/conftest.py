"""What the tests of the book share: the built site, and a small book to break."""

from pathlib import Path

import pytest
from building import BUILD, SmallBook
from forks import launcher, server
from jupyter_client.provisioning import local_provisioner


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


@pytest.fixture
def forked_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels be forked, where nothing depends on how they start."""
    launch_kernel = launcher(server("kernel"))
    monkeypatch.setattr(local_provisioner, "launch_kernel", launch_kernel)
