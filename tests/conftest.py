import matplotlib as mpl
import pytest

# No test opens a window, whatever the machine's own settings say.
mpl.use("Agg")


@pytest.fixture
def style():
    """The book's style for one test."""
    from descent.figures import use_style

    with mpl.rc_context():
        use_style()
        yield
