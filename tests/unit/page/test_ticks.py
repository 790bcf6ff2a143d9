import matplotlib.pyplot as plt
import pytest

from descent.page.figures import new_figure
from descent.page.ticks import power

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, "1"),
        (30, "30"),
        (1000, "1000"),
        (0.001, "0.001"),
        (1e4, "10⁴"),
        (1e-5, "10⁻⁵"),
        (3e6, "3 × 10⁶"),
        (2e-12, "2 × 10⁻¹²"),
    ],
)
def test_a_power_in_letters_of_one_size(value, said):
    assert power(value) == said


def labels(low, high):
    figure, (ax,) = new_figure(height=3.4)
    ax.semilogy([0, 1], [low, high])
    ax.set_ylim(low, high)
    figure.canvas.draw()
    return [
        label.get_text()
        for tick in ax.yaxis.get_major_ticks() + ax.yaxis.get_minor_ticks()
        if low <= tick.get_loc() <= high and (label := tick.label1).get_text()
    ]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.01, 10, ["0.01", "0.1", "1", "10"]),
        (0.25, 7, ["0.3", "1", "3"]),
        (0.04, 1.4, ["0.1", "0.3", "1"]),
        (1e-6, 300, None),
        (1e-5, 1e16, None),
        (0.35, 0.55, None),
        (2, 3, None),
        (99, 101, None),
    ],
)
def test_an_axis_has_a_few_labels_whatever_it_spans(low, high, shown):
    found = labels(low, high)
    assert 2 <= len(found) <= 9
    if shown is not None:
        assert found == shown


def test_ticks_that_a_cell_has_set_stay():
    figure, (ax,) = new_figure()
    ax.semilogx([1, 100], [0, 1])
    ax.set_xticks([2, 50], ["two", "fifty"])
    figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["two", "fifty"]
