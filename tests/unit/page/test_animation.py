import base64
import io
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from descent.page.animation import STILL, animate, recolor, still_number, still_of
from descent.page.figures import BLUE, DARK, GROUND, MAP, ORANGE, new_figure, on_dark

pytestmark = pytest.mark.usefixtures("style")


def scene(animated=True, *, size=(3.0, 2.0), line=ORANGE, ground=None):
    """Data, a line that turns over it, and a text that counts."""
    figure, (ax,) = new_figure(width=size[0], height=size[1], dpi=100)
    if ground is not None:
        ax.imshow(ground, extent=(-10, 10, -20, 20), aspect="auto", cmap=MAP)
        ax.grid(False)
    else:
        ax.scatter(np.linspace(-9, 9, 15), np.linspace(-15, 15, 15), s=8, color=BLUE)
    ax.set(xlim=(-10, 10), ylim=(-20, 20), xlabel="x", ylabel="y", title="data")
    ax.set(xticks=[-10, 10], yticks=[-20, 20])  # to lay out words takes longest
    x = np.array([-8.0, 8.0])
    (moving,) = ax.plot(x, 0 * x, color=line, animated=animated)
    words = ax.text(-8, 14, "", animated=animated)

    def update(frame):
        moving.set_ydata(0.2 * frame * x)
        words.set_text(f"step {frame}")

    return figure, update


def decoded(data):
    """Every frame of a GIF as (height, width, 3), and how long each stays."""
    frames, durations = [], []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
            durations.append(image.info["duration"])
    return np.array(frames), durations


def redrawn(make, frames):
    """The same frames the plain way: every time a new figure, drawn as a whole."""
    pictures = []
    for frame in frames:
        figure, update = make(animated=False)
        update(frame)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].astype(int))
        plt.close(figure)
    return np.array(pictures)


def test_file_has_the_frames_times_size_and_loop_that_were_asked_for():
    animation = animate(*scene(), 7, duration=90, hold=800, still=2)
    frames, durations = decoded(animation.data)
    assert frames.shape == (7, 200, 300, 3)
    assert durations == [400, 90, 90, 90, 90, 90, 800]
    assert animation.durations == tuple(durations)
    assert (animation.width, animation.height) == (300, 200)
    with Image.open(io.BytesIO(animation.data)) as image:
        assert image.info["loop"] == 0  # for ever
        assert image.info["comment"].startswith(f"{STILL}2 ".encode())


def test_the_first_frame_never_stays_shorter_than_the_others():
    assert animate(*scene(), 3, duration=500, hold=500).durations == (500, 500, 500)
    assert animate(*scene(), 1, duration=60, hold=900).durations == (900,)


@pytest.mark.slow
@given(
    numbers=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    which=st.integers(-100, 99),
)
@settings(max_examples=15)
def test_frames_that_repeat_stay_for_as_long_as_all_of_them(numbers, which):
    still = which % len(numbers)
    animation = animate(*scene(), numbers, still=still)
    frames, durations = decoded(animation.data)
    assert tuple(durations) == animation.durations
    times = [60] * len(numbers)
    times[0], times[-1] = 750, 1500
    runs = [
        list(run)
        for _, run in groupby(
            zip(numbers, times, strict=True), key=lambda pair: pair[0]
        )
    ]
    assert durations == [sum(time for _, time in run) for run in runs]
    shown = [at for at, run in enumerate(runs) for _ in run]
    for number in set(numbers):
        same = [frames[at] for at, n in zip(shown, numbers, strict=True) if n == number]
        assert all((frame == same[0]).all() for frame in same)
    assert animation.still_at == shown[still]
    assert (np.asarray(animation.still) == frames[shown[still]]).all()


def test_update_gets_every_number_once_and_in_order():
    figure, update = scene()
    asked = []
    animate(figure, lambda frame: asked.append(frame) or update(frame), [4, 1, 1, 3])
    assert asked == [4, 1, 1, 3]


@pytest.mark.parametrize(("still", "number"), [(0, 0), (3, 3), (-1, 5), (-6, 0)])
def test_still_is_the_frame_that_the_comment_names(still, number):
    animation = animate(*scene(), 6, still=still)
    frames, _ = decoded(animation.data)
    with Image.open(io.BytesIO(animation.data)) as image:
        assert image.info["comment"].startswith(f"{STILL}{number} ".encode())
    assert animation.still_at == number
    assert animation.still.mode == "RGB"
    assert (np.asarray(animation.still) == frames[number]).all()


def test_only_animated_artists_move():
    figure, update = scene()
    ax = figure.axes[0]
    figure.canvas.draw()
    inside = np.zeros((200, 300), dtype=bool)
    box = ax.transData.transform([(-8, -16), (8, 16)])  # where line and text can be
    (left, bottom), (right, top) = np.round(box).astype(int)
    inside[200 - top - 12 : 200 - bottom + 3, left - 3 : right + 3] = True
    frames, _ = decoded(animate(figure, update, 10).data)
    changed = (frames != frames[0]).any(axis=(0, 3))
    assert changed.any()
    assert not changed[~inside].any()


@pytest.mark.parametrize("size", [(3.0, 2.0), (8.0, 4.0)])
def test_frames_are_those_of_a_plain_redraw(size):
    def make(animated):
        return scene(animated, size=size)

    shown = [0, 3, 9]
    frames, _ = decoded(animate(*make(True), 10).data)
    error = np.abs(frames[shown] - redrawn(make, shown))
    # Flat areas are exact to the 6 bits of a bin; only the rims of lines and
    # letters are rounded to the palette.
    assert error.mean() < 0.5
    assert np.percentile(error, 99) <= 8
    assert error.max() < 64


def test_the_ground_stays_pure_white():
    frames, _ = decoded(animate(*scene(), 3, colors=32).data)
    assert (frames[:, 0, 0] == 255).all()
    assert (frames == 255).all(axis=-1).mean() > 0.5


@pytest.mark.parametrize("line", ["#ff00ff", "#010001", "#000000", "#ffffff"])
def test_no_color_is_taken_for_the_mark_of_unchanged_pixels(line):
    def make(animated):
        return scene(animated, line=line)

    frames, _ = decoded(animate(*make(True), 4).data)
    error = np.abs(frames - redrawn(make, range(4)))
    assert error.max() < 64
    assert error.mean() < 0.5


def test_a_color_map_shows_no_bands_with_all_colors():
    ground = np.linspace(0, 1, 256)[None]

    def make(animated):
        return scene(animated, ground=ground, size=(6.0, 3.0))

    frames, _ = decoded(animate(*make(True), 3, colors=255).data)
    plain = redrawn(make, range(3))
    error = np.abs(frames - plain)
    assert error.mean() < 1.0
    assert np.percentile(error, 99) <= 6
    # Along the map no two neighbors are further apart than an eye forgives.
    row = frames[0, 200]
    ramp = row[(row != 255).any(axis=-1)][20:-20]
    assert np.abs(np.diff(ramp, axis=0)).max() <= 16
    assert len(np.unique(ramp, axis=0)) > 60


def test_more_colors_are_closer_to_the_plain_redraw():
    ground = np.linspace(0, 1, 64)[None]

    def make(animated):
        return scene(animated, ground=ground)

    plain = redrawn(make, [2])
    errors = [
        np.abs(
            decoded(animate(*make(True), 3, colors=colors).data)[0][2] - plain
        ).mean()
        for colors in (32, 96, 255)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_a_rare_color_is_not_lost_beside_a_large_area():
    figure, (ax,) = new_figure(width=6, height=4, dpi=100)
    ax.imshow(np.random.RandomState(0).rand(40, 40), cmap=MAP)
    (dot,) = ax.plot([], [], "o", color="#ff0000", ms=4, animated=True)
    frames, _ = decoded(animate(figure, lambda i: dot.set_data([i], [i]), 3).data)
    reddest = (frames[1] - [255, 0, 0]).__abs__().sum(axis=-1).min()
    assert reddest < 12


def test_frames_of_one_color_only():
    figure, (ax,) = new_figure(width=2, height=2, dpi=100)
    ax.set_axis_off()
    (line,) = ax.plot([0, 1], [0, 1], color="white", animated=True)
    frames, _ = decoded(animate(figure, lambda i: line.set_ydata([i, 1]), 4).data)
    assert frames.shape[0] == 1
    assert (frames == 255).all()


def test_two_runs_give_the_same_bytes():
    first, second = (animate(*scene(), 5, still=1) for _ in range(2))
    assert first.data == second.data
    assert first.still.tobytes() == second.still.tobytes()


def test_a_page_gets_the_gif_and_its_size():
    animation = animate(*scene(), 2)
    shown, about = animation._repr_mimebundle_()
    assert base64.b64decode(shown["image/gif"]) == animation.data
    assert shown["text/plain"] == "Animation of 2 frames"
    assert about == {"image/gif": {"width": 200, "height": 133}}


def test_save_writes_the_gif_and_its_still(tmp_path):
    animation = animate(*scene(), 3, still=1)
    animation.save(tmp_path / "line.gif")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["line.gif", "line.png"]
    assert (tmp_path / "line.gif").read_bytes() == animation.data
    with Image.open(tmp_path / "line.png") as still:
        assert (np.asarray(still) == np.asarray(animation.still)).all()


def test_save_refuses_other_names_and_writes_nothing(tmp_path):
    animation = animate(*scene(), 2)
    for name in ("line.png", "line", "line.gif.txt", "line.GIF"):
        with pytest.raises(ValueError, match=r"path must end in \.gif, got"):
            animation.save(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"frames": 0}, ValueError, "frames must be a whole number of at least 1"),
        ({"frames": []}, ValueError, "frames must name at least one frame"),
        ({"frames": True}, TypeError, "frames must be a whole number"),
        ({"frames": 2.5}, TypeError, "frames must be a whole number"),
        ({"frames": iter([1, 2])}, TypeError, "frames must be a whole number"),
        ({"still": 4}, ValueError, "still must be a whole number from -4 to 3, got 4"),
        ({"still": -5}, ValueError, "still must be"),
        ({"still": 1.5}, TypeError, "still must be a whole number"),
        ({"duration": 0}, ValueError, "duration must be"),
        ({"duration": 55}, ValueError, "duration must be a multiple of 10 ms, got 55"),
        ({"hold": 1}, ValueError, "hold must be"),
        ({"hold": 60.0}, TypeError, "hold must be"),
        ({"colors": 31}, ValueError, "colors must be"),
        ({"colors": 256}, ValueError, "colors must be .* from 32 to 255, got 256"),
    ],
)
def test_bad_arguments_are_named_and_leave_no_figure_open(arguments, error, message):
    figure, update = scene()
    arguments = {"frames": 4} | arguments
    with pytest.raises(error, match=f"^{message}"):
        animate(figure, update, **arguments)
    assert plt.get_fignums() == []


def test_a_figure_in_which_nothing_moves_is_refused_and_closed():
    figure, update = scene(animated=False)
    with pytest.raises(ValueError, match="artist made with animated=True, it has none"):
        animate(figure, update, 3)
    assert plt.get_fignums() == []


def test_an_error_of_update_passes_and_leaves_no_figure_open():
    figure, _ = scene()
    with pytest.raises(ZeroDivisionError):
        animate(figure, lambda frame: 1 / frame, 3)
    assert plt.get_fignums() == []


def test_what_is_no_figure_is_refused_and_no_other_figure_closed():
    other = plt.figure()
    with pytest.raises(TypeError, match="figure must be a matplotlib figure, got 1"):
        animate(other.number, lambda frame: None, 3)
    assert plt.get_fignums() == [other.number]
    plt.close(other)


def test_an_animation_leaves_no_figure_open():
    animate(*scene(), 2)
    assert plt.get_fignums() == []


def test_a_recolored_animation_differs_in_nothing_but_colors():
    animation = animate(*scene(), 6, still=3, duration=90)
    dark = recolor(animation.data, on_dark)
    frames, durations = decoded(animation.data)
    darks, same_durations = decoded(dark)
    assert same_durations == durations
    assert still_number(dark) == still_number(animation.data) == 3
    assert (np.asarray(still_of(dark)) == darks[3]).all()
    ground = [int(DARK[GROUND][i : i + 2], 16) for i in (1, 3, 5)]
    white = (frames == 255).all(axis=-1)
    # (A GIF's colors have 6 bits.)
    assert np.abs(darks[white] - ground).max() <= 4
    assert darks[~white].max(axis=-1).mean() > 80


def test_a_color_map_keeps_its_colors_on_a_dark_page():
    ground = np.linspace(0, 1, 64).reshape(8, 8)
    animation = animate(*scene(ground=ground, size=(4.0, 3.0)), 4, colors=255)
    frames, _ = decoded(animation.data)
    darks, _ = decoded(recolor(animation.data, on_dark))
    with Image.open(io.BytesIO(animation.data)) as image:
        box = image.info["comment"].decode().split("map=")[1]
    left, top, right, bottom = map(int, box.split(","))
    inside = np.s_[:, top + 2 : bottom - 2, left + 2 : right - 2]
    assert (right - left) * (bottom - top) > 0.4 * frames[0, ..., 0].size
    assert np.abs(darks[inside] - frames[inside]).mean() < 3
    assert darks[:, :3].max() < 32 < 250 < frames[:, :3].min()


def test_only_an_animation_of_ours_can_be_recolored():
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, "GIF")
    for function in (still_of, still_number, lambda data: recolor(data, on_dark)):
        with pytest.raises(ValueError, match="made by descent"):
            function(file.getvalue())
