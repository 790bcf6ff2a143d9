"""The second drawing of a figure: panels stacked, and in the end all as it was."""

import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from descent.landscape import axis, loss_grid
from descent.page import narrow
from descent.page.animation import animate
from descent.page.explorable import explorable
from descent.page.figures import new_figure, show_landscape
from descent.page.legibility import smallest_letters
from descent.page.narrow import NARROW, WIDTH

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def drawn(rows=1, columns=2, **options):
    figure, axes = new_figure(rows, columns, height=3.6 * rows, **options)
    for number, ax in enumerate(axes):
        ax.plot([0, 1, 2], [0, number + 1, 3])
        ax.set(xlabel="step", title=f"panel {number}")
    axes[0].set_ylabel("loss")
    return figure, axes


def places(axes):
    """Row and column of each panel, as drawn."""
    boxes = [ax.get_window_extent() for ax in axes]
    lefts = sorted({round(box.x0, -1) for box in boxes})
    tops = sorted({-round(box.y1, -1) for box in boxes})
    return [(tops.index(-round(b.y1, -1)), lefts.index(round(b.x0, -1))) for b in boxes]


def svg(figure):
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return re.sub('"[a-z0-9]{11}"|#[a-z0-9]{11}', "", file.getvalue())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(0, 0), (1, 0), (2, 0), (3, 0)]),
        ({"narrow_columns": 2}, [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ({"narrow_by_column": True}, [(0, 0), (2, 0), (1, 0), (3, 0)]),
    ],
)
def test_panels_stand_as_asked_and_afterwards_where_they_stood(options, expected):
    figure, axes = drawn(2, 2, share_y=True, **options)
    before = svg(figure)
    with figure.narrow():
        figure.canvas.draw()
        assert places(axes) == expected
        assert figure.get_figwidth() == WIDTH
        # Whoever stood beside a named axis has its name and its labels now.
        for ax in axes:
            first_column = ax.get_window_extent().x0 < 100
            labels = [t for t in ax.get_yticklabels() if t.get_visible()]
            assert bool(labels) or not first_column
        assert axes[1].get_ylabel() == "loss"
    assert axes[1].get_ylabel() == ""
    assert svg(figure) == before


def test_letters_stay_as_large_as_they_were():
    figure, _ = drawn()
    figure.canvas.draw()
    wide = smallest_letters(figure)
    with figure.narrow():
        assert smallest_letters(figure) == wide
        # On a phone, whose page is 358 pixels wide.
        assert wide / 72 * 358 / figure.get_figwidth() >= 11


def test_nothing_of_it_is_made_before_somebody_asks(monkeypatch):
    monkeypatch.delenv(narrow.ASKED, raising=False)
    figure, _ = drawn()
    assert figure._repr_mimebundle_() == ({}, {})
    assert explorable("fit", figure, x=[1.0])._repr_mimebundle_() == ({}, {})
    figure, (ax, _) = drawn()
    (dot,) = ax.plot([0], [0], "o", animated=True)
    film = animate(figure, lambda t: dot.set_data([t], [t]), 3)
    assert NARROW not in film._repr_mimebundle_()[1]["image/gif"]


def test_figures_explorables_and_animations_carry_their_narrow_form(monkeypatch):
    monkeypatch.setenv(narrow.ASKED, "yes")
    figure, _ = drawn()
    there = figure._repr_mimebundle_()[1]["image/svg+xml"][NARROW]
    assert there["faults"] == []
    assert f'width="{WIDTH * 72:g}pt"' in there["picture"]
    still = explorable("fit", figure, x=[1.0])
    assert still._repr_mimebundle_()[1]["image/svg+xml"][NARROW]["picture"].startswith(
        "<?xml"
    )
    assert f'width="{WIDTH * 72:g}pt"' not in still.svg
    figure, (ax, _) = drawn()
    (dot,) = ax.plot([0], [0], "o", animated=True)
    film = animate(figure, lambda t: dot.set_data([t], [t]), 3)
    assert NARROW in film._repr_mimebundle_()[1]["image/gif"]
    assert film.width == 800


def overlapping(ax):
    ax.text(0.5, 1, "one word")
    ax.text(0.55, 1, "another")


def one_tick(ax):
    ax.set_yticks([1.0])


def over_the_edge(ax):
    ax.text(2, 1, "words that do not fit", clip_on=False).set_in_layout(False)


def crowded(ax):
    ax.set_xticks(np.linspace(0, 2, 30))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (overlapping, "wide: 'one word' lies on 'another'"),
        (one_tick, "narrow: the axis 'loss' of 'panel 0' has one tick, '1'"),
        (over_the_edge, "narrow: 'words that do not fit' leaves the picture"),
        (crowded, "narrow: '0.000' lies on '0.069'"),
    ],
)
def test_what_cannot_be_read_is_named(monkeypatch, spoil, said):
    monkeypatch.setenv(narrow.ASKED, "yes")
    figure, axes = drawn()
    spoil(axes[0] if spoil is not over_the_edge else axes[1])
    assert said in figure._repr_mimebundle_()[1]["image/svg+xml"][NARROW]["faults"]


def test_a_color_bar_keeps_its_name_on_the_sheet(monkeypatch):
    monkeypatch.setenv(narrow.ASKED, "yes")
    figure, (ax,) = new_figure(height=4.6)
    ground = loss_grid(lambda t: t.square().sum(), axis(-2, 2, 9), axis(-2, 2, 9))
    show_landscape(ax, ground)
    assert figure._repr_mimebundle_()[1]["image/svg+xml"][NARROW]["faults"] == []
