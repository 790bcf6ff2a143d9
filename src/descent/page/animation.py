"""The one way to make an animation: draw once, move what moves, share a palette.

The plain way makes a new figure for every frame and saves it as a PNG; nearly
all of its time goes into drawing the same axes again. Here the figure is drawn
once. For each frame only the artists that move (matplotlib's own mark for them is
``animated=True``) are drawn over a copy of that background, and every frame is
mapped to one palette. The `gif` package writes the file.

Belongs to :doc:`/index`, and from there on to whatever moves.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gif
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from descent import checks
from descent.page import narrow
from descent.page.figures import DARK
from descent.page.legibility import faults, smallest_letters

__all__ = ["STILL", "Animation", "animate", "recolor", "still_number", "still_of"]

# The GIF carries the number of its still in a comment that starts with this; the height
# of its smallest letters follows and, where there are color maps, their corners, all in
# pixels: left, top, right, bottom.
STILL = "still="
_LETTERS = "letters="
_MAP = "map="

# Colors are looked up by their upper 6 bits of red, green and blue.
_BITS = 6
_BINS = 1 << (3 * _BITS)

# How many frames the palette is chosen from.
_SAMPLES = 9

# How many colors are taken for being common, and for being unlike all others.
_COMMON, _DISTINCT = 16, 8

# Index 0 of the palette means "as in the frame before".
_UNCHANGED = 0


@dataclass(frozen=True)
class Animation:
    """A finished GIF, its still, and what a page needs to know up front.

    In a notebook it shows itself as the GIF.

    Attributes
    ----------
    data : bytes
        The GIF file.
    still : PIL.Image.Image
        The one frame that stands for all of them.
    still_at : int
        Which frame that is.
    width, height : int
        Size in pixels.
    durations : tuple of int
        How long each frame stays, in milliseconds.
    beside : dict
        More metadata of the GIF: that for phones, where it is asked for.
    """

    data: bytes
    still: Image.Image
    still_at: int
    width: int
    height: int
    durations: tuple[int, ...]
    beside: dict[str, Any] = field(default_factory=dict, repr=False)

    def save(self, path: str | Path) -> None:
        """Write the GIF to `path`, and its still beside it as a PNG.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to; the name must end in ``.gif``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        path = Path(path)
        if path.suffix != ".gif":
            raise ValueError(f"path must end in .gif, got {str(path)!r}")
        path.write_bytes(self.data)
        self.still.save(path.with_suffix(".png"), optimize=True)

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Show the GIF in a notebook, a third smaller than its pixels: sharper."""
        shown = {"width": self.width * 2 // 3, "height": self.height * 2 // 3}
        return (
            {
                "image/gif": base64.b64encode(self.data).decode("ascii"),
                "text/plain": f"Animation of {len(self.durations)} frames",
            },
            {"image/gif": shown | self.beside},
        )


def animate(
    figure: Figure,
    update: Callable[[int], object],
    frames: int | Sequence[int],
    *,
    duration: int = 60,
    hold: int = 1500,
    still: int = -1,
    colors: int = 48,
) -> Animation:
    """Make an animation by moving artists of a figure that is drawn once.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure. Artists made with ``animated=True`` are drawn anew in every
        frame, all others once. The figure is closed in the end.
    update : callable
        Called with the number of each frame; moves the animated artists.
    frames : int or sequence of int
        How many frames, or the numbers to call `update` with, in order.
    duration : int
        Milliseconds a frame stays, a multiple of 10 (the format knows no others).
    hold : int
        Milliseconds the last frame stays, a multiple of 10. The first frame stays
        for half as long.
    still : int
        Which frame stands for all of them; counted from the end if negative.
    colors : int
        How many colors the palette has, from 32 to 255. Lines and text are fine
        with the default; a color map wants all 255 or shows bands.

    Returns
    -------
    Animation
        The GIF and its still. Frames that follow each other and look the same are
        one frame of the file, which stays as long as all of them.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there are no frames, no animated artist, `still` is not one of the
        frames, a time is not a positive multiple of 10, or `colors` is out of range.
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"figure must be a matplotlib figure, got {figure!r}")
    try:
        if not isinstance(frames, Sized):
            frames = range(checks.integer("frames", frames, at_least=1))
        if len(frames) == 0:
            raise ValueError("frames must name at least one frame, got none")
        count = len(frames)
        still = checks.integer("still", still, at_least=-count, at_most=count - 1)
        for name, value in (("duration", duration), ("hold", hold)):
            if checks.integer(name, value, at_least=10) % 10:
                raise ValueError(f"{name} must be a multiple of 10 ms, got {value}")
        colors = checks.integer("colors", colors, at_least=32, at_most=255)
        times = [duration] * count
        times[0] = max(duration, hold // 20 * 10)
        times[-1] = hold
        make = partial(_make, figure, update, frames, times, still % count, colors)
        made, wrong = make()
        if not (narrow.is_asked() and isinstance(figure, narrow.PageFigure)):
            return made
        with figure.narrow():
            small, wrong_there = make()
    finally:
        plt.close(figure)
    if small.durations != made.durations:
        wrong.append("a frame that shows nothing new: let each move something")
    wrong = [
        f"{form}: {what}"
        for form, told in (("wide", wrong), ("narrow", wrong_there))
        for what in told
    ]
    picture = base64.b64encode(small.data).decode("ascii")
    return replace(made, beside=narrow.bundle(picture, *wrong))


def _make(
    figure: Figure,
    update: Callable[[int], object],
    frames: Sequence[int],
    times: list[int],
    still: int,
    colors: int,
) -> tuple[Animation, list[str]]:
    """Return the animation of a figure as it is laid out, and what cannot be read."""
    width, height = FigureCanvasAgg(figure).get_width_height()
    changes = _film(map(_Stage(figure, update), frames))
    letters = smallest_letters(figure) * figure.dpi / 72
    comment = _Comment(still, letters, _maps(figure))
    made = _develop(changes, times, colors, (height, width), comment)
    return made, faults(figure)


def still_number(data: bytes) -> int:
    """Return which frame of a GIF, counted from 0, its comment names as its still.

    Parameters
    ----------
    data : bytes
        The GIF file.

    Returns
    -------
    int
        The frame's number.

    Raises
    ------
    ValueError
        If the comment names none: the GIF was not made by :func:`animate`.
    """
    with Image.open(io.BytesIO(data)) as image:
        return _read_comment(image).still


def still_of(data: bytes) -> Image.Image:
    """Return the frame of a GIF that its comment names as its still.

    Parameters
    ----------
    data : bytes
        The GIF file.

    Returns
    -------
    PIL.Image.Image
        The frame, in red, green and blue.

    Raises
    ------
    ValueError
        If the comment names none: the GIF was not made by :func:`animate`.
    """
    with Image.open(io.BytesIO(data)) as image:
        image.seek(_read_comment(image).still)
        return image.convert("RGB")


def recolor(data: bytes, exchange: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """Return a GIF with its colors exchanged everywhere but in color maps.

    Parameters
    ----------
    data : bytes
        The GIF file, made by :func:`animate`.
    exchange : callable
        Takes colors, shape (colors, 3), uint8; returns what takes their places,
        such as :func:`descent.page.figures.on_dark`.

    Returns
    -------
    bytes
        The new GIF file, with the same frames, times and still.

    Raises
    ------
    ValueError
        If the GIF was not made by :func:`animate`.
    """
    with Image.open(io.BytesIO(data)) as image:
        comment = _read_comment(image)
        width, height = image.size
        times = []

        def frames() -> Iterator[np.ndarray]:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                times.append(image.info["duration"])
                yield np.asarray(image.convert("RGBA")).view("<u4")[..., 0].copy()

        changes = _film(frames())
    kept = np.zeros((height, width), dtype=bool)
    for left, top, right, bottom in comment.maps:
        kept[top:bottom, left:right] = True
    known: dict[int, int] = {}
    for change in changes:
        outside = ~kept.flat[change.where]
        colors, which = np.unique(change.pixels[outside], return_inverse=True)
        new = [color for color in colors.tolist() if color not in known]
        if new:
            rgba = np.array(new, dtype="<u4").view(np.uint8).reshape(-1, 4)
            rgba[:, :3] = exchange(rgba[:, :3])
            known.update(zip(new, rgba.view("<u4")[:, 0].tolist(), strict=True))
        taken = np.array([known[color] for color in colors.tolist()], dtype=np.uint32)
        change.pixels[outside] = taken[which]
    used = np.unique(np.concatenate([np.unique(change.pixels) for change in changes]))
    size = min(max(len(used), 32), 255)
    return _develop(changes, times, size, (height, width), comment).data


# Left, top, right and bottom of a part of the picture, in pixels.
_Box = tuple[int, int, int, int]


def _maps(figure: Figure) -> list[_Box]:
    """Return where in a figure there are color maps, and their color bars."""
    height = figure.bbox.height
    boxes: list[_Box] = []
    for ax in figure.axes:
        shown = [*ax.images, *ax.collections]
        if any(
            isinstance(artist, AxesImage | QuadMesh)
            or (isinstance(artist, ContourSet) and artist.filled)
            for artist in shown
        ):
            box = ax.get_window_extent()
            boxes.append(
                (
                    max(round(box.x0), 0),
                    max(round(height - box.y1), 0),
                    round(box.x1),
                    round(height - box.y0),
                )
            )
    return boxes


class _Comment(NamedTuple):
    """What a GIF says of itself.

    Attributes
    ----------
    still : int
        Which frame is the still.
    letters : float
        How high its smallest letters are, in its own pixels.
    maps : list of tuple
        Where color maps are.
    """

    still: int
    letters: float
    maps: list[_Box]

    def __str__(self) -> str:
        boxes = (f" {_MAP}" + ",".join(map(str, box)) for box in self.maps)
        return f"{STILL}{self.still} {_LETTERS}{self.letters:.2f}" + "".join(boxes)


def _read_comment(image: Image.Image) -> _Comment:
    """Return what a GIF says of itself."""
    comment = image.info.get("comment", b"").decode()
    if not comment.startswith(STILL):
        raise ValueError("data must be a GIF made by descent.page.animation.animate")
    still, letters, *boxes = comment.split()
    maps = []
    for box in boxes:
        left, top, right, bottom = map(int, box.removeprefix(_MAP).split(","))
        maps.append((left, top, right, bottom))
    return _Comment(
        int(still.removeprefix(STILL)), float(letters.removeprefix(_LETTERS)), maps
    )


def _develop(
    changes: list[_Change],
    times: list[int],
    colors: int,
    size: tuple[int, int],
    comment: _Comment,
) -> Animation:
    """Return the animation of what was filmed: one palette, repeats merged."""
    height, width = size
    palette = _Palette(_samples(changes), colors)
    shown = np.full((height, width), _UNCHANGED, dtype=np.uint8)
    deltas: list[np.ndarray] = []  # of each frame of the file, what is new in it
    durations: list[int] = []
    still_frame, still_at = shown, 0
    for number, (change, time) in enumerate(zip(changes, times, strict=True)):
        indices = palette.index(change.pixels)
        new = indices != shown.flat[change.where]
        if new.any():
            delta = np.full_like(shown, _UNCHANGED)
            delta.flat[change.where[new]] = indices[new]
            shown.flat[change.where] = indices
            deltas.append(delta)
            durations.append(time)
        else:
            durations[-1] += time
        if number == comment.still:
            still_frame, still_at = shown.copy(), len(deltas) - 1
    return Animation(
        data=_encode(deltas, palette, durations, str(comment._replace(still=still_at))),
        still=palette.image(still_frame).convert("RGB"),
        still_at=still_at,
        width=width,
        height=height,
        durations=tuple(durations),
    )


def _moving(figure: Figure) -> list[Artist]:
    """Return the animated artists in the order in which they are to be drawn."""
    moving = figure.findobj(lambda artist: artist.get_animated())
    return sorted(moving, key=lambda artist: artist.get_zorder())


class _Stage:
    """A figure drawn once, over which frames are drawn."""

    def __init__(self, figure: Figure, update: Callable[[int], object]) -> None:
        self._moving = _moving(figure)
        if not self._moving:
            raise ValueError(
                "figure must have an artist made with animated=True, it has none"
            )
        self._canvas = FigureCanvasAgg(figure)
        self._update = update
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def __call__(self, frame: int) -> np.ndarray:
        """Draw one frame; return its pixels, shape (height, width), as in `_bins`."""
        self._canvas.restore_region(self._background)
        self._update(frame)
        for artist in self._moving:
            artist.draw(self._canvas.renderer)
        pixels = np.asarray(self._canvas.buffer_rgba())  # (height, width, 4), uint8
        return pixels.view("<u4")[..., 0].copy()


class _Change(NamedTuple):
    """What one frame shows that the frame before does not.

    Attributes
    ----------
    where : numpy.ndarray
        Places in the flattened picture, shape (changed,).
    pixels : numpy.ndarray
        What is there now, shape (changed,), as in `_bins`.
    """

    where: np.ndarray
    pixels: np.ndarray


def _film(frames: Iterable[np.ndarray]) -> list[_Change]:
    """Keep of each frame only what changed: most of it never does."""
    changes = []
    before = np.zeros((), dtype=np.uint32)  # transparent, as no drawn pixel is
    for now in frames:
        where = np.flatnonzero(now != before)
        changes.append(_Change(where, now.flat[where]))
        before = now
    return changes


def _samples(changes: list[_Change]) -> Iterator[np.ndarray]:
    """Yield some of the frames, spread over all, as pixels in a row."""
    chosen = {round(i) for i in np.linspace(0, len(changes) - 1, _SAMPLES)}
    shown = np.empty_like(changes[0].pixels)
    for number, change in enumerate(changes):
        shown[change.where] = change.pixels
        if number in chosen:
            yield shown


class _Palette:
    """Colors chosen from some frames, and a table from any color to the nearest."""

    def __init__(self, samples: Iterable[np.ndarray], size: int) -> None:
        counts = np.zeros(_BINS, dtype=np.int64)
        for pixels in samples:
            counts += np.bincount(_bins(pixels), minlength=_BINS)
        used = np.flatnonzero(counts)
        used = used[np.argsort(-counts[used], kind="stable")]
        # The commonest colors (ground, ink, grid) are taken as they are, then those
        # most unlike all taken so far, so that a small dot keeps its color beside
        # a large map. The rest are chosen by median cut, each color as often as the
        # root of its count.
        colors = _colors(used[:_COMMON])
        others = used[_COMMON:]
        if len(others):
            colors = np.concatenate([colors, _farthest_from(colors, _colors(others))])
            often = np.ceil(np.sqrt(counts[others])).astype(int)
            strip = Image.fromarray(np.repeat(_colors(others), often, axis=0)[None])
            cut = strip.quantize(
                size - len(colors), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
            )
            chosen = np.array(cut.getpalette(), dtype=np.uint8).reshape(-1, 3)
            colors = np.concatenate([colors, chosen])
        self.colors = _exact(colors)
        self._table = self._nearest()

    def index(self, pixels: np.ndarray) -> np.ndarray:
        """Map pixels to palette indices, both of one shape, indices uint8."""
        return self._table[_bins(pixels)]

    def image(self, indices: np.ndarray) -> Image.Image:
        """Return indices as a picture with this palette."""
        image = Image.fromarray(indices)
        image.putpalette(b"\xff\x00\xff" + self.colors.tobytes())
        return image

    def _nearest(self) -> np.ndarray:
        """Return for each bin of color the index of the palette's nearest color."""
        table = np.empty(_BINS, dtype=np.uint8)
        palette = self.colors.astype(np.float32)
        lengths = (palette**2).sum(axis=1)
        for bins in np.split(np.arange(_BINS), 64):  # a few megabytes at a time
            distances = lengths - 2 * _colors(bins).astype(np.float32) @ palette.T
            table[bins] = distances.argmin(axis=1) + 1  # 0 means "unchanged"
        return table


def _farthest_from(taken: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return those of `colors` that are furthest from all taken, one by one."""
    candidates = colors.astype(np.float32)
    nearest = np.full(len(candidates), np.inf, dtype=np.float32)
    for color in taken.astype(np.float32):
        np.minimum(nearest, ((candidates - color) ** 2).sum(axis=1), out=nearest)
    chosen = []
    for _ in range(min(_DISTINCT, len(colors))):
        chosen.append(int(nearest.argmax()))
        distance = ((candidates - candidates[chosen[-1]]) ** 2).sum(axis=1)
        np.minimum(nearest, distance, out=nearest)
    return colors[chosen]


def _exact(colors: np.ndarray) -> np.ndarray:
    """Return colors, those of the book as they are: a bin holds some 64 others."""
    book = np.array([to_rgb(name) for pair in DARK.items() for name in pair]) * 255
    off = np.abs(colors[:, None] - np.rint(book)[None]).max(axis=2)  # (colors, book)
    near = off.argmin(axis=1)
    within = off.min(axis=1) < 1 << (8 - _BITS)
    return np.where(within[:, None], np.rint(book)[near], colors).astype(np.uint8)


def _bins(pixels: np.ndarray) -> np.ndarray:
    """Return the bin of color of each pixel, in the shape of `pixels`.

    `pixels` holds red, green, blue and alpha in one 32-bit number, red lowest.
    """
    mask = ((1 << _BITS) - 1) << (8 - _BITS)
    bins = (pixels >> (8 - _BITS)) & (mask >> (8 - _BITS))
    bins |= (pixels & (mask << 8)) >> (16 - 2 * _BITS)
    bins |= (pixels & (mask << 16)) >> (24 - 3 * _BITS)
    return bins


def _colors(bins: np.ndarray) -> np.ndarray:
    """Return the color that stands for each bin, shape (bins, 3), uint8."""
    mask = (1 << _BITS) - 1
    upper = np.stack([bins & mask, (bins >> _BITS) & mask, bins >> 2 * _BITS], axis=-1)
    # Repeating the upper bits below takes 0 to 0 and the highest bin to 255.
    return ((upper << (8 - _BITS)) | (upper >> (2 * _BITS - 8))).astype(np.uint8)


def _encode(
    deltas: list[np.ndarray], palette: _Palette, durations: list[int], comment: str
) -> bytes:
    """Return the GIF file of the frames."""
    images = [palette.image(delta) for delta in deltas]
    for image in images:
        image.info["transparency"] = _UNCHANGED
    images[0].info["comment"] = comment.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "animation.gif"
        gif.save(images, str(path), duration=durations)
        return path.read_bytes()
