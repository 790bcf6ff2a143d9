import gc

import matplotlib as mpl
import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

# No test opens a window, whatever the machine's own settings say.
mpl.use("Agg")

# A busy machine is no reason to fail, and a failure should come back on the next run,
# also of the one test alone. For that, `derandomize` does not do: Hypothesis draws some
# of its examples from the constants in whatever local modules are loaded, and has no
# setting against it. (tests/unit/test_examples_drawn.py says whether this still works.)
providers._get_local_constants = lambda: providers._local_constants
settings.register_profile(
    "book", deadline=None, derandomize=True, database=None, print_blob=True
)
settings.load_profile("book")


def pytest_collection_finish() -> None:
    """Spare every later search for garbage what was loaded until here."""
    gc.freeze()


@pytest.fixture
def style():
    """The book's style, for one test."""
    from descent.page.figures import use_style

    with mpl.rc_context():
        use_style()
        yield
