"""The browser that tests drive."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Of a browser's own accord nothing may be asked of any host.
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)

# A busy machine is no reason to fail.
expect.set_options(timeout=20_000)


def find_browser(own: str) -> str:
    """Return the path of a browser; `own` is where Playwright's own would be."""
    named = os.environ.get("DESCENT_CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            pytest.fail(f"DESCENT_CHROMIUM={named}: no such program", pytrace=False)
        return found
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if Path(own).exists():
        return own
    pytest.fail(
        "No browser found: none of " + ", ".join(NAMES) + " is on the PATH. Install "
        "one (apt-get install chromium) or name it in DESCENT_CHROMIUM.",
        pytrace=False,
    )


# Of a module, not of the session: while Playwright runs, an asyncio loop does, and
# other tests want to start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a running Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        found = chromium.launch(
            executable_path=find_browser(chromium.executable_path),
            # Its sandbox does not start for root, as tests are in containers.
            args=[*QUIET, *(["--no-sandbox"] if is_root else [])],
        )
        yield found
        found.close()
