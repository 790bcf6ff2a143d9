"""Pictures of cells: light and dark figures, animations with a still, sizes.

A figure comes out of its cell as one SVG in the book's light colors. Every color
has a partner for dark pages (`descent.page.figures.DARK`), so the dark figure is the
same file with the colors exchanged. An animation comes out as one GIF; its still
is the frame that its cell named.

Dark pages have a GIF of their own. The player could exchange the palette's colors by
itself, but from a folder without a server no script may read a file: there the browser
plays the GIF, which would be white in the dark. (A filter in the style sheet could not
mend that: the best matrix of colors is wrong by up to 35 of 255, and would color the
maps, too.) A reader loads only one of the two.

A picture's metadata carry its narrow form for phones (`descent.page.narrow`), and what
cannot be read in either: that stops the build. The browser chooses the form by the
width of the window, and loads no other.

Every picture gets its size, so that the page does not jump while it loads.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging

import order
from descent.page.animation import recolor, still_number, still_of
from descent.page.figures import DARK, GROUND, on_dark
from descent.page.narrow import NARROW
from execution import executed_notebook
from picture_check import place_of
from scripts_of_nodes import script_for

logger = logging.getLogger(__name__)


# Where the narrow form of a picture is shown, and plots to touch are stacked, too.
ON_PHONES = "screen and (max-width: 640px)"

# Kinds of output that become pictures of a page.
_PICTURES = ("image/svg+xml", "image/gif")

# Opens a map in a drawing.
_RASTER = "data:image/png;base64,"


class paired_figure(nodes.General, nodes.Element):
    """A figure for light pages and the same for dark ones, as two images."""


class animation(nodes.General, nodes.Element):
    """A GIF and its still, as two images."""


def exchange_colors(svg: str, colors: dict[str, str]) -> str:
    """Return an SVG with colors exchanged, all at once.

    Parameters
    ----------
    svg : str
        The picture.
    colors : dict
        For each color as ``#rrggbb`` what takes its place.
    """
    pattern = re.compile("|".join(map(re.escape, colors)), flags=re.IGNORECASE)
    return pattern.sub(lambda color: colors[color[0].lower()], svg)


def shrink_rasters(svg: str) -> str:
    """Return an SVG whose maps have a palette, which halves them.

    Matplotlib writes a map as a PNG of all colors in the middle of a drawing.

    Parameters
    ----------
    svg : str
        The picture.

    Returns
    -------
    str
        The same with maps of at most 64 colors, where that is shorter; one with
        places to look through stays as it is.
    """

    def shrunk(found: re.Match[str]) -> str:
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as raster:
            whole = raster.convert("RGBA")
        if whole.getchannel("A").getextrema() != (255, 255):
            return found[0]
        # The method that keeps rare colors: others lose the tips of a map.
        palette = whole.convert("RGB").quantize(
            64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        file = io.BytesIO()
        palette.save(file, "PNG", optimize=True)
        shorter = base64.b64encode(file.getvalue()).decode("ascii")
        return f'"{_RASTER}{min(found[1], shorter, key=len)}"'

    return re.sub(rf'"{_RASTER}([^"]+)"', shrunk, svg)


def _size_of_svg(svg: str) -> tuple[int, int]:
    """Return width and height in CSS pixels; matplotlib writes points."""
    width = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', svg)
    height = re.search(r'<svg[^>]*?\bheight="([\d.]+)pt"', svg)
    if width is None or height is None:
        raise ValueError("svg must give its width and height in points")
    return round(float(width[1]) * 4 / 3), round(float(height[1]) * 4 / 3)


def _pair_pictures(app: Sphinx, doctree: nodes.document) -> None:
    """Give every picture that a cell made its partner, its size, its narrow form."""
    for image, metadata in list(_pictures(app, doctree)):
        # Below the source folder or, with a doctree elsewhere, beside it.
        path = Path(app.env.relfn2path(image["uri"], app.env.docname)[1])
        beside = metadata.get(NARROW)
        forms = {"": path}
        if beside is not None:
            for what in beside["faults"]:
                logger.warning("%s: in the picture, %s", place_of(app, image), what)
            forms["narrow-"] = _write_beside(path, beside["picture"])
        pair = _paired(image, forms) if path.suffix == ".svg" else _film(image, forms)
        image.replace_self(pair)


def _pictures(
    app: Sphinx, doctree: nodes.document
) -> Iterator[tuple[nodes.image, dict[str, Any]]]:
    """Yield the pictures of a page's cells, each with its metadata in the output."""
    executed = executed_notebook(app, app.env.docname)
    if executed is None:
        return
    for cell in doctree.findall(
        lambda node: (
            isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code"
        )
    ):
        metadata = [
            output["metadata"].get(kind, {})
            for output in executed.cells[cell["cell_index"]].outputs
            for kind in _PICTURES
            if kind in output.get("data", {})
        ]
        images = [
            image
            for image in cell.findall(nodes.image)
            if "jupyter_execute" in image["uri"]
            and image["uri"].endswith((".svg", ".gif"))
        ]
        if images:  # a cell may show none of its outputs
            yield from zip(images, metadata, strict=True)


def _write_beside(path: Path, picture: str) -> Path:
    """Write the narrow form of a picture beside it; return its path."""
    data = picture.encode() if path.suffix == ".svg" else base64.b64decode(picture)
    name = f"{hashlib.sha256(data).hexdigest()}{path.suffix}"
    narrow = path.with_name(name)
    narrow.write_bytes(data)
    return narrow


def _paired(image: nodes.image, forms: dict[str, Path]) -> nodes.Element:
    """Return the light and the dark picture in place of one SVG."""
    pair = paired_figure()
    for form, path in forms.items():
        svg = shrink_rasters(path.read_text("utf8"))
        for name, colors in (
            ("light", {GROUND: "none"}),
            ("dark", {**DARK, GROUND: "none"}),
        ):
            file = path.with_name(f"{path.stem}-{name}.svg")
            file.write_text(exchange_colors(svg, colors), "utf8")
            pair += _sized(image, file, _size_of_svg(svg), f"{form}on-{name}")
    return pair


def _film(image: nodes.image, forms: dict[str, Path]) -> nodes.Element:
    """Return two GIFs and their stills, for light pages and dark, in place of a GIF."""
    pair = animation()
    for form, path in forms.items():
        data = path.read_bytes()
        dark = path.with_name(f"{path.stem}-dark.gif")
        # Its name is its content's: the one that is there was made from the same.
        if not dark.exists():
            dark.write_bytes(recolor(data, on_dark))
        if not form:
            with Image.open(path) as opened:
                pair["frames"] = getattr(opened, "n_frames", 1)
            pair["still"] = still_number(data)
        for file, name in ((path, "light"), (dark, "dark")):
            still = still_of(file.read_bytes())
            shown = (still.width * 2 // 3, still.height * 2 // 3)
            picture = file.with_suffix(".png")
            # A GIF has no more colors than this, so none is lost.
            small = still.quantize(256, dither=Image.Dither.NONE)
            small.save(picture, optimize=True)
            pair += _sized(image, file, shown, f"{form}moving-{name}")
            pair += _sized(image, picture, shown, f"{form}on-{name}")
    return pair


def _sized(
    image: nodes.image, file: Path, size: tuple[int, int], name: str
) -> nodes.image:
    """Return a copy of an image for another file, with its size and a class."""
    uri = str(Path(image["uri"]).with_name(file.name))
    copy = nodes.image(uri=uri, alt=image.get("alt", ""), classes=[name])
    copy["width"], copy["height"] = size
    copy.source, copy.line = image.source, image.line
    return copy


def _attributes(translator: Any, image: nodes.image) -> dict[str, str]:
    """Return the attributes of an image as HTML wants them."""
    builder = translator.builder
    return {
        "src": f"{builder.imgpath}/{builder.images[image['uri']]}",
        "alt": image["alt"],
        "width": str(image["width"]),
        "height": str(image["height"]),
        "loading": "lazy",
    }


def _named(node: nodes.Element) -> dict[str, nodes.image]:
    """Return the images of a picture by their class."""
    return {image["classes"][0]: image for image in node.findall(nodes.image)}


def _write_pair(translator: Any, images: dict[str, nodes.image]) -> None:
    """Write the pictures for light pages and dark; the style sheet shows one of them.

    The theme's own classes for that hide the caption of a dark figure with it;
    its class ``dark-light`` only keeps its filter away.
    """
    for name in ("on-light", "on-dark"):
        attributes = {
            **_attributes(translator, images[name]),
            "class": f"dark-light {name}",
        }
        shown = translator.emptytag(images[name], "img", "", **attributes)
        source = _source(translator, images.get(f"narrow-{name}"), ON_PHONES)
        translator.body.append(f"<picture>{source}{shown}</picture>\n")


def _source(translator: Any, image: nodes.image | None, media: str) -> str:
    """Return the markup by which the browser prefers an image, if there is one."""
    if image is None:
        return ""
    attributes = _attributes(translator, image)
    return (
        f'<source media="{media}" srcset="{attributes["src"]}" '
        f'width="{attributes["width"]}" height="{attributes["height"]}">'
    )


# What `_static/reading.js` brings to life: it lies over the whole picture.
ENLARGE = (
    '<button type="button" class="enlarge pst-js-only" aria-haspopup="dialog" '
    'aria-label="{name}"></button>\n'
)


def _visit_pair(translator: Any, node: paired_figure) -> None:
    """Write a figure for light pages and for dark."""
    translator.body.append('<div class="picture">\n')
    _write_pair(translator, _named(node))
    name = translator.attval(f"Enlarge: {_first_sentence(node)}")
    translator.body.append(f"{ENLARGE.format(name=name)}</div>\n")
    raise nodes.SkipNode


# How many times as fast as its maker meant it a film can be played, and is at first.
SPEEDS = {"¼ ×": 0.25, "½ ×": 0.5, "1 ×": 1, "2 ×": 2}
DEFAULT_SPEED = 1

# What `_static/player.js` brings to life. It stands in the page from the start, so
# that nothing moves when the script arrives.
CONTROLS = """\
<div class="film-controls pst-js-only" role="group" aria-label="{name}">
<button type="button" class="film-play" aria-label="Play" disabled></button>
<button type="button" class="film-back" aria-label="One frame back" disabled></button>
<button type="button" class="film-forward" aria-label="One frame forward" disabled>\
</button>
<input type="range" class="film-scrubber" aria-label="Frame" min="1" max="{frames}" \
value="{still}" disabled>
<span class="film-place" aria-hidden="true">{still} / {frames}</span>
<select class="film-speed" aria-label="Speed" disabled>
{speeds}
</select>
<output class="film-status visually-hidden" aria-live="polite"></output>
</div>
"""


def _first_sentence(node: nodes.Element) -> str:
    """Return how the caption of a picture begins."""
    figure = node.parent
    while figure is not None and not isinstance(figure, nodes.figure):
        figure = figure.parent
    caption = next(figure.findall(nodes.caption)).astext() if figure else ""
    return re.split(r"(?<=\w)[.:;](?=\s)", " ".join(caption.split()))[0].rstrip(".")


def _visit_animation(translator: Any, node: animation) -> None:
    """Write the stills, the controls, and what readers without scripts get.

    Those get the GIF; readers who want less motion, and paper, get the still.
    """
    images = _named(node)
    films = {
        name.replace("moving-", ""): _attributes(translator, image)["src"]
        for name, image in images.items()
        if "moving-" in name
    }
    translator.body.append(
        translator.starttag(
            node,
            "div",
            "\n",
            CLASS="film",
            **{f"data-{name}": source for name, source in films.items()},
        )
    )
    translator.body.append('<div class="film-screen">\n')
    _write_pair(translator, images)
    calm = "(prefers-reduced-motion: reduce)"
    sources = (
        ("narrow-on-light", f"{ON_PHONES} and {calm}"),
        ("on-light", f"{calm}, print"),
        ("narrow-moving-light", ON_PHONES),
    )
    gif = _attributes(translator, images["moving-light"])
    translator.body.append(
        '<noscript><picture class="animation">'
        + "".join(_source(translator, images.get(name), m) for name, m in sources)
        + translator.emptytag(node, "img", "", **gif, **{"class": "dark-light"})
        + "</picture></noscript>\n</div>\n"
        + CONTROLS.format(
            name=translator.attval(f"Animation: {_first_sentence(node)}"),
            frames=node["frames"],
            still=node["still"] + 1,
            speeds="".join(
                f'<option value="{speed}"{" selected" * (speed == DEFAULT_SPEED)}>'
                f"{name}</option>"
                for name, speed in SPEEDS.items()
            ),
        )
        + "</div>\n"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(paired_figure, html=(_visit_pair, None))
    app.add_node(animation, html=(_visit_animation, None))
    app.connect("doctree-read", _pair_pictures, priority=order.PICTURES)
    add = script_for(animation, "player.js")
    app.connect("html-page-context", add, priority=order.FILES_OF_SOME_PAGES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
