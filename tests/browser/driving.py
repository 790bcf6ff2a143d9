"""The browser that tests drive."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from browsers import CHROMIUM, chromium_options

# A busy machine is no reason to fail.
expect.set_options(timeout=20_000)


# Of a module, not of the session: while Playwright runs, an asyncio loop does, and
# other tests want to start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a running Chromium."""
    try:
        path = CHROMIUM.find()
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=path, args=chromium_options()
        )
        yield launched
        launched.close()
