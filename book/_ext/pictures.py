"""Pictures of cells: light and dark figures, animations with a still, sizes.

A figure comes out of its cell as one SVG in the book's light colors. Every color
has a partner for dark pages (`descent.figures.DARK`), so the dark figure is the
same file with the colors exchanged. An animation comes out as one GIF; its still
is the frame that its cell named. Every picture gets its size, so that the page
does not jump while it loads.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging

from descent.animation import STILL
from descent.figures import DARK, GROUND

logger = logging.getLogger(__name__)


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
    return pattern.sub(lambda found: colors[found[0].lower()], svg)


def _size_of_svg(svg: str) -> tuple[int, int]:
    """Return width and height in CSS pixels; matplotlib writes points."""
    found = re.search(r'<svg[^>]*?\bwidth="([\d.]+)pt"', svg)
    tall = re.search(r'<svg[^>]*?\bheight="([\d.]+)pt"', svg)
    if found is None or tall is None:
        raise ValueError("svg must give its width and height in points")
    return round(float(found[1]) * 4 / 3), round(float(tall[1]) * 4 / 3)


def still_of(data: bytes) -> Image.Image:
    """Return the frame of a GIF that its comment names as its still.

    Raises
    ------
    ValueError
        If the comment names none: the GIF was not made by `descent.animation`.
    """
    with Image.open(io.BytesIO(data)) as image:
        comment = image.info.get("comment", b"").decode()
        if not comment.startswith(STILL):
            raise ValueError("the GIF must be made by descent.animation.animate")
        image.seek(int(comment.removeprefix(STILL)))
        return image.convert("RGB")


def _dress(app: Sphinx, doctree: nodes.document) -> None:
    """Give every picture that a cell made its partner and its size."""
    for image in list(doctree.findall(nodes.image)):
        uri: str = image["uri"]
        if "jupyter_execute" not in uri:
            continue
        # Below the source folder or, with a doctree elsewhere, beside it.
        path = Path(app.env.relfn2path(uri, app.env.docname)[1])
        if path.suffix == ".svg":
            image.replace_self(_paired(image, path))
        elif path.suffix == ".gif":
            image.replace_self(_animation(image, path))


def _paired(image: nodes.image, path: Path) -> nodes.Element:
    """Return the light and the dark picture in place of one SVG."""
    svg = path.read_text("utf8")
    pair = paired_figure()
    for name, colors in (
        ("light", {GROUND: "none"}),
        ("dark", {**DARK, GROUND: "none"}),
    ):
        file = path.with_name(f"{path.stem}-{name}.svg")
        file.write_text(exchange_colors(svg, colors), "utf8")
        pair += _sized(image, file, _size_of_svg(svg), f"on-{name}")
    return pair


def _animation(image: nodes.image, path: Path) -> nodes.Element:
    """Return the GIF and its still in place of a GIF."""
    data = path.read_bytes()
    still = still_of(data)
    file = path.with_suffix(".png")
    still.save(file, optimize=True)
    shown = (still.width * 2 // 3, still.height * 2 // 3)
    pair = animation()
    pair += _sized(image, path, shown, "moving")
    pair += _sized(image, file, shown, "still")
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


def _visit_pair(translator: Any, node: paired_figure) -> None:
    """Write both pictures; the style sheet shows one of them.

    The theme's own classes for that hide the caption of a dark figure with it;
    its class ``dark-light`` only keeps its filter away.
    """
    for image in node.findall(nodes.image):
        found = {
            **_attributes(translator, image),
            "class": f"dark-light {image['classes'][0]}",
        }
        translator.body.append(translator.emptytag(image, "img", "\n", **found))
    raise nodes.SkipNode


def _visit_animation(translator: Any, node: animation) -> None:
    """Write the GIF; the still for readers who want less motion, and for paper."""
    moving, still = node.findall(nodes.image)
    gif, png = _attributes(translator, moving), _attributes(translator, still)
    translator.body.append(
        f'<picture class="animation"><source srcset="{png["src"]}" '
        'media="(prefers-reduced-motion: reduce), print">'
        + translator.emptytag(moving, "img", "", **gif, **{"class": "dark-light"})
        + "</picture>\n"
    )
    raise nodes.SkipNode


def _skip(translator: Any, node: nodes.Element) -> None:
    """Other builders show the first picture."""
    del node[1:]


def _leave(translator: Any, node: nodes.Element) -> None:
    """Nothing is left to write."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    others: Any = dict.fromkeys(("latex", "text", "man", "texinfo"), (_skip, _leave))
    app.add_node(paired_figure, html=(_visit_pair, _leave), **others)
    app.add_node(animation, html=(_visit_animation, _leave), **others)
    # Before Sphinx collects the pictures to copy, at 500.
    app.connect("doctree-read", _dress, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
