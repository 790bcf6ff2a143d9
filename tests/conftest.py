import matplotlib as mpl
import pytest
from hypothesis import settings

# No test opens a window, whatever the machine's own settings say.
mpl.use("Agg")

# A busy machine is no reason to fail, and a failure should come back on the next run.
settings.register_profile("book", deadline=None, derandomize=True, database=None)
settings.load_profile("book")


@pytest.fixture
def style():
    """The book's style, for one test."""
    from descent.page.figures import use_style

    with mpl.rc_context():
        use_style()
        yield
