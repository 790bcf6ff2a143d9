import io
import itertools
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb

from descent.landscape import Landscape, axis, loss_grid
from descent.page import figures
from descent.page.figures import (
    BLUE,
    DARK,
    GRID,
    GROUND,
    INK,
    MUTED,
    ON_MAP,
    ORANGE,
    RATES,
    SERIES,
    new_figure,
    on_dark,
    show_landscape,
    use_style,
)

DRAWN = (INK, MUTED, *SERIES, *RATES)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def linear(color):
    """Linear red, green, blue of a color."""
    values = np.array(to_rgb(color))
    return np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )


def contrast(a, b):
    """The contrast ratio of WCAG 2.2."""
    light, dark = sorted(
        (linear(color) @ [0.2126, 0.7152, 0.0722] for color in (a, b)), reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_color_of_the_module_has_a_dark_partner_of_its_own():
    named = [
        value
        for name, value in vars(figures).items()
        if name.isupper() and isinstance(value, str) and value.startswith("#")
    ]
    # The color map has no dark partner, and so no mark on it may have one.
    assert {*named, *SERIES, *RATES} - {ON_MAP} == set(DARK)
    assert len(set(DARK.values())) == len(DARK)
    for color in (*DARK, *DARK.values()):
        assert re.fullmatch("#[0-9a-f]{6}", color)  # as matplotlib writes them


@pytest.mark.parametrize("color", DRAWN)
def test_lines_have_contrast_on_light_and_dark_pages(color):
    assert contrast(color, GROUND) >= 3
    assert contrast(DARK[color], DARK[GROUND]) >= 3


@pytest.mark.parametrize("color", [INK, MUTED])
def test_words_have_the_higher_contrast_that_words_need(color):
    assert contrast(color, GROUND) >= 4.5
    assert contrast(DARK[color], DARK[GROUND]) >= 4.5


def test_the_grid_stays_behind_the_data():
    for light, other in ((GRID, GROUND), (DARK[GRID], DARK[GROUND])):
        assert 1.1 < contrast(light, other) < 2


# What people without one kind of cone see (Machado, Oliveira and Fernandes 2009,
# severity 1), on linear red, green, blue.
BLIND = {
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "all": np.eye(3),
}


def lab(rgb):
    """CIE L*a*b* of linear red, green, blue."""
    xyz = np.clip(rgb, 0, 1) @ np.transpose(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = xyz / [0.95047, 1.0, 1.08883]
    f = np.where(
        ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29
    )
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", BLIND)
@pytest.mark.parametrize("page", ["light", "dark"])
def test_series_stay_apart_for_every_kind_of_color_vision(eyes, page):
    seen = [
        lab(np.array(BLIND[eyes]) @ linear(color if page == "light" else DARK[color]))
        for color in SERIES
    ]
    # A difference of about 2.3 is just noticeable.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 9


def test_rates_are_ordered_by_lightness():
    lightness = [lab(linear(color))[0] for color in RATES]
    assert lightness == sorted(lightness)


def typical():
    """A figure with about everything that a chapter draws."""
    figure, axes = new_figure(2, 2)
    for color in RATES:
        axes[0].plot([0, 1], [0, 1], color=color, label=color)
    axes[0].legend(title="rates")
    axes[1].semilogy([1, 10, 100])
    axes[1].scatter([0, 1], [1, 5])
    axes[1].text(0, 2, "words")
    axes[1].annotate(
        "here", (1, 10), (0.5, 50), arrowprops={"arrowstyle": "->", "color": MUTED}
    )
    axes[2].hist([1, 2, 2, 3])
    axes[2].set(title="title", xlabel="x", ylabel="y")
    show_landscape(
        axes[3],
        loss_grid(lambda theta: theta.square().sum(), axis(-1, 1, 5), axis(-1, 1, 5)),
    )
    figure.suptitle("all")
    return figure


def svg(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def test_svg_holds_no_color_without_a_dark_partner(style):
    drawn = svg(typical())
    # An unstyled shape is black: matplotlib writes letters without a color only then.
    assert set(re.findall("#[0-9a-fA-F]{6}", drawn)) <= set(DARK) | {"#000000"}
    words = re.findall('<g id="text_[0-9]+">.*?</g>', drawn, flags=re.DOTALL)
    assert len(words) > 20
    assert all("fill: #" in group for group in words)


def test_svg_is_the_same_bytes_every_time(style):
    assert svg(typical()) == svg(typical())


def test_words_in_an_svg_are_outlines(style):
    assert "<text" not in svg(typical())


def test_landscape_draws_every_value_at_its_place():
    first, second = axis(-2, 2, 41), axis(0, 30, 31)
    low = np.array([1.5, 4.0])
    values = np.abs(first - low[0]) + np.abs(second - low[1])[:, None]
    _, (ax,) = new_figure()
    show_landscape(ax, Landscape(first, second, values))
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    corners = mesh.get_coordinates()  # (rows + 1, columns + 1, 2), x first
    centers = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    drawn = mesh.get_array().reshape(values.shape)
    lowest = np.unravel_index(np.argmin(drawn), drawn.shape)
    np.testing.assert_allclose(centers[lowest], low)
    columns, rows = np.meshgrid(first, second)
    np.testing.assert_allclose(centers[..., 0], columns, atol=1e-12)
    np.testing.assert_allclose(centers[..., 1], rows, atol=1e-12)
    np.testing.assert_allclose(drawn, values)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("slope m", "intercept b")


@pytest.mark.parametrize(
    ("values", "log", "message"),
    [
        (np.full((2, 2), np.nan), False, "a finite loss somewhere"),
        (np.full((2, 2), np.inf), True, "a finite loss somewhere"),
        (np.zeros((2, 2)), True, "a loss above 0 somewhere for log, got at most 0.0"),
        (-np.ones((2, 2)), True, "a loss above 0 somewhere for log, got at most -1.0"),
    ],
)
def test_a_landscape_without_a_color_is_refused(style, values, log, message):
    _, (ax,) = new_figure()
    with pytest.raises(ValueError, match=f"^landscape must have {message}"):
        show_landscape(ax, Landscape(axis(0, 1, 2), axis(0, 1, 2), values), log=log)
    assert not ax.collections


def test_landscape_is_darkest_at_the_minimum_on_the_picture(style):
    first, second = axis(-2, 2, 41), axis(-2, 2, 41)
    figure, (ax,) = new_figure(dpi=100)
    show_landscape(
        ax,
        loss_grid(
            lambda theta: (theta[0] - 1.5) ** 2 + (theta[1] + 1) ** 2, first, second
        ),
    )
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    color = (np.array(mpl.colormaps["viridis"](0.0)[:3]) * 255).round()
    # Rows of a picture run downwards.
    column, row = ax.transData.transform((1.5, -1.0))
    there = picture[picture.shape[0] - round(row), round(column)]
    assert np.abs(there - color).max() <= 3
    mirrored, row = ax.transData.transform((-1.0, 1.5))
    elsewhere = picture[picture.shape[0] - round(row), round(mirrored)]
    assert np.abs(elsewhere - color).max() > 100


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_landscape_with_holes_and_a_zero_can_be_drawn_with_logarithmic_colors(
    hole, style
):
    values = np.array([[0.0, 1.0], [10.0, hole]])
    figure, (ax,) = new_figure()
    show_landscape(ax, Landscape(np.arange(2.0), np.arange(2.0), values), log=True)
    figure.canvas.draw()
    (mesh,) = ax.collections
    assert (mesh.norm.vmin, mesh.norm.vmax) == (pytest.approx(1e-5), 10)
    colors = mesh.to_rgba(mesh.get_array()).reshape(2, 2, 4)
    assert tuple(colors[0, 0]) == mpl.colormaps["viridis"](
        0.0
    )  # no hole at the minimum
    assert colors[1, 1, 3] == 0  # and one where there is no number


def test_new_figure_has_the_pixels_and_axes_asked_for():
    figure, axes = new_figure(2, 3, width=8, height=5, dpi=150)
    assert tuple(figure.canvas.get_width_height()) == (1200, 750)
    assert axes.shape == (6,)
    tops = [ax.get_subplotspec().rowspan.start for ax in axes]
    assert tops == [0, 0, 0, 1, 1, 1]  # row by row


@pytest.mark.parametrize("share", [True, False])
def test_axes_share_limits_if_asked(share):
    _, (left, right) = new_figure(1, 2, share_x=share, share_y=share)
    left.set(xlim=(-3, 3), ylim=(-7, 7))
    assert (right.get_xlim() == (-3, 3)) is share
    assert (right.get_ylim() == (-7, 7)) is share


def test_new_figure_leaves_the_settings_of_others_alone():
    before = dict(mpl.rcParams)
    new_figure()
    assert dict(mpl.rcParams) == before


def test_style_asks_a_notebook_for_svg_and_png_without_a_date(monkeypatch):
    asked = []
    monkeypatch.setattr(figures, "get_ipython", lambda: object())
    monkeypatch.setattr(
        figures, "set_matplotlib_formats", lambda *a, **k: asked.append((a, k))
    )
    with mpl.rc_context():
        use_style()
        assert mpl.rcParams["axes.facecolor"] == GROUND
    assert asked == [(("svg", "png"), {"metadata": {"Date": None}})]


def test_lines_take_the_series_colors_in_order():
    _, (ax,) = new_figure()
    lines = [ax.plot([0, 1])[0].get_color() for _ in range(4)]
    assert tuple(lines) == SERIES == (BLUE, ORANGE, figures.GREEN, figures.PURPLE)


def rgb(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def test_on_dark_takes_every_color_to_its_partner():
    light, dark = ([rgb(color) for color in c] for c in (DARK, DARK.values()))
    assert on_dark(np.array(light, dtype=np.uint8)).tolist() == dark


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_on_dark_takes_the_edge_of_a_line_to_the_edge_of_its_partner(share):
    for color in DRAWN:
        blend, expected = (
            share * np.array(rgb(one)) + (1 - share) * np.array(rgb(other))
            for one, other in ((color, GROUND), (DARK[color], DARK[GROUND]))
        )
        found = on_dark(np.rint(blend)[None].astype(np.uint8))[0]
        # Where two colors fade alike either may be taken.
        assert np.abs(found - expected).max() <= 48, color
