"""What every picture needs: words that replace it, a caption, and a dark partner.

Looked for while a page is read, when it is still known from which line or which cell a
picture comes. Without words a picture is nothing to those who cannot see it; without a
partner it glares from a dark page, or is not seen there at all.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from docutils import nodes
from matplotlib.colors import to_rgb
from PIL import Image
from selectolax.lexbor import LexborHTMLParser
from sphinx.application import Sphinx
from sphinx.util import logging

import order
from descent.page.figures import DARK, MAP, ON_MAP

logger = logging.getLogger(__name__)

# Words that a text for a picture may have, but not only these.
_EMPTY_WORDS = """
a an the this that it of in for is are was be here see shows showing shown with
and or to on at below above following my our your
figure fig figures image images img picture pictures pic photo photograph plot
plots graph graphs chart charts diagram drawing illustration graphic graphics
screenshot visualization animation gif png svg jpg jpeg webp file output result
results cell code alt alternative text caption description placeholder todo tbd
fixme none null nan no untitled unnamed empty blank left right panel
"""
EMPTY_WORDS = frozenset(_EMPTY_WORDS.split())

# Classes by which the theme leaves a picture alone, or shows it on one ground only.
PAIRED = frozenset({"only-light", "only-dark", "dark-light"})

# How far a color may be from the color map's, from a mixture of neighbors in it, or
# from blends of the book's, in each of red, green and blue: what rounding, edges and a
# GIF's palette make of them.
_NEAR_MAP = 2
_NEAR_MAP_MIXED = 16
_NEAR_BLEND = 20

# A picture that was shrunk has this share of its pixels between colors of the map that
# are no neighbors in it (the book's spectrograms: 7 %); in another map nearly all are.
_MIXED = 0.25

# Marks smaller than this share of an animation's frame are edges between colors.
_MANY = 0.0004

_SHAPES = frozenset(
    ("path", "rect", "circle", "ellipse", "polygon", "polyline", "text", "tspan")
)
_COLORED = ("fill", "stroke", "stop-color", "flood-color", "lighting-color", "color")
_NO_COLOR = frozenset({"none", "transparent", "inherit", "currentcolor"})


def says_nothing(text: str, file: str = "") -> bool:
    """Return whether a text has no word that tells of a picture.

    Parameters
    ----------
    text : str
        An alternative text or a caption.
    file : str
        The name of the picture's file, which tells nothing either.
    """
    name = Path(text.strip()).stem.casefold()
    if file and name == Path(file).stem.casefold():
        return True
    words = re.findall(r"[^\W\d_]{2,}", text.casefold())
    return all(word in EMPTY_WORDS for word in words)


def lonely_colors(svg: str) -> list[str]:
    """Return the colors of an SVG that have no partner for dark pages.

    Parameters
    ----------
    svg : str
        The picture, as matplotlib writes it: black is not written where it is the
        default.

    Returns
    -------
    list of str
        Each as the file has it, without those of the color map.
    """
    root = ElementTree.fromstring(svg)
    named = {element.get("id"): element for element in root.iter()}
    found: dict[str, None] = {}
    for element in root.iter():
        for name, value in _properties(element).items():
            if name in _COLORED and not _has_partner(value):
                found[value] = None
        if _local(element.tag) == "style":
            for value in re.findall(
                r"(?:fill|stroke|color)\s*:\s*([^;}]+)", element.text or ""
            ):
                if not _has_partner(value.strip()):
                    found[value.strip()] = None
        if _local(element.tag) == "image":
            source = _properties(element).get("href", "")
            if (color := _color_off_map(source)) is not None:
                found[f"{color} in a picture within"] = None
    if _draws_default_black(root, {}, named):
        found["black, as the default"] = None
    return list(found)


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _properties(element: ElementTree.Element) -> dict[str, str]:
    """Return an element's attributes and the declarations of its style."""
    found = {_local(key): value.strip() for key, value in element.attrib.items()}
    for declaration in found.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if value:
            found[name.strip()] = value.strip()
    return found


def _draws_default_black(
    element: ElementTree.Element,
    inherited: dict[str, str],
    named: dict[str | None, ElementTree.Element],
) -> bool:
    """Return whether a shape is filled although nothing says with what."""
    tag = _local(element.tag)
    if tag in {"defs", "clipPath", "mask", "symbol", "metadata", "style"}:
        return False
    own = {**inherited, **_properties(element)}
    shown = {key: own[key] for key in own if key in {"fill", "fill-opacity"}}
    if tag == "use":
        target = own.get("href", "").removeprefix("#")
        if target in named and named[target] is not element:
            return _draws_default_black(named[target], shown, named)
    if tag in _SHAPES:
        return "fill" not in shown and float(shown.get("fill-opacity", 1)) > 0
    return any(_draws_default_black(child, shown, named) for child in element)


@cache
def _map_colors() -> np.ndarray:
    """Return the colors of the color map, shape (256, 3), 0 to 255."""
    return np.rint(mpl.colormaps[MAP](np.arange(256))[:, :3] * 255)


@cache
def _has_partner(value: str) -> bool:
    """Return whether a value of SVG is no color, or one with a partner."""
    value = value.lower()
    if value in _NO_COLOR or value.startswith("url("):
        return True
    if value in DARK or value == ON_MAP:
        return True
    # Only the book's own spelling is exchanged; the map is the same on dark pages.
    if not re.fullmatch(r"#[0-9a-f]{6}", value):
        return False
    color = np.array(to_rgb(value)) * 255
    return bool(np.abs(_map_colors() - color).max(axis=1).min() <= _NEAR_MAP)


def _color_off_map(source: str) -> str | None:
    """Return a color of a picture within an SVG that is not the color map's."""
    head, _, data = source.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        return "a file"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    solid, counts = _counted(pixels[pixels[:, 3] == 255])
    far = np.array([np.abs(_map_colors() - color).max(axis=1).min() for color in solid])
    off = far > _NEAR_MAP_MIXED
    if counts[off].sum() <= _MIXED * counts.sum():
        return None
    return _hex(solid[off][counts[off].argmax()])


def _counted(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the colors of pixels of shape (pixels, 3 or more), and how often each."""
    red, green, blue = (pixels[:, i].astype(np.uint32) for i in range(3))
    codes, counts = np.unique((red << 16) | (green << 8) | blue, return_counts=True)
    colors = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1)
    return colors.astype(float), counts


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in color)


def lonely_colors_of_gif(data: bytes) -> list[str]:
    """Return the colors of an animation's still that are no blend of the book's.

    Parameters
    ----------
    data : bytes
        The GIF, whose comment says where its color maps are.
    """
    with Image.open(io.BytesIO(data)) as image:
        comment = image.info.get("comment", b"").decode("utf8", "replace")
        still = re.search(r"still=(\d+)", comment)
        image.seek(int(still[1]) if still else 0)
        pixels = np.asarray(image.convert("RGB"))
    outside = np.ones(pixels.shape[:2], dtype=bool)
    for box in re.findall(r"map=(\d+),(\d+),(\d+),(\d+)", comment):
        left, top, right, bottom = map(int, box)
        outside[top:bottom, left:right] = False
    colors, counts = _counted(pixels[outside])
    colors = colors[counts > _MANY * outside.size]
    book = np.array([np.array(to_rgb(name)) * 255 for name in (*DARK, ON_MAP)])
    best = np.full(len(colors), np.inf)
    for light in book:
        for other in book:
            along = other - light
            length = along @ along
            share = np.clip((colors - light) @ along / length, 0, 1) if length else 0.0
            blend = light + np.asarray(share).reshape(-1, 1) * along
            best = np.minimum(best, np.abs(blend - colors).max(axis=1))
    return [_hex(color) for color in colors[best > _NEAR_BLEND]]


def place_of(app: Sphinx, node: nodes.Node) -> str:
    """Return the chapter's file, the line, and the cell that a node comes from.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application, while it reads the page.
    node : docutils.nodes.Node
        Anything on the page.
    """
    path = Path(app.env.doc2path(app.env.docname))
    where = f"{path.parent.name}/{path.name}"
    cell = None
    line = node.line
    above = node.parent
    while above is not None:
        if above.get("nb_element") == "cell_code":
            cell = above
        line = line or above.line
        above = above.parent
    if cell is None or not cell.line:
        return f"{where}:{line}" if line else where
    fences = [
        number
        for number, text in enumerate(path.read_text("utf8").splitlines(), start=1)
        if re.match(r"\s*(`{3,}|~{3,}|:{3,})\{code-cell\}", text)
    ]
    before = [number for number in fences if number <= cell.line]
    return f"{where}:{max(before, default=cell.line)}, code cell {len(before)}"


def faults(app: Sphinx, doctree: nodes.document) -> Iterator[tuple[nodes.Node, str]]:
    """Yield (where, what is wrong and what to do) for the pictures of a page.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application, while it reads the page.
    doctree : docutils.nodes.document
        The page, as it was read.
    """
    for image in doctree.findall(nodes.image):
        if _is_for_notebooks(image):
            continue
        from_cell = "jupyter_execute" in image["uri"]
        name = Path(image["uri"]).name
        remedy = (
            "say under `mystnb: image: alt:` of the cell what the picture shows"
            if from_cell
            else "say between the brackets, or as :alt:, what the picture shows"
        )
        alt = image.get("alt")
        if alt is None or says_nothing(alt, name):
            told = "none" if alt is None or not alt.strip() else repr(alt)
            if from_cell and alt is not None and Path(alt).stem == Path(name).stem:
                told = "none"
            yield image, f"a picture without alternative text (got {told}): {remedy}"
        figure = image.parent
        while figure is not None and not isinstance(figure, nodes.figure):
            figure = figure.parent
        caption = next(iter(figure.findall(nodes.caption)), None) if figure else None
        if caption is None or says_nothing(caption.astext(), name):
            yield (
                image,
                "a picture without a caption (got "
                f"{'none' if caption is None else repr(caption.astext())}): "
                + (
                    "say under `mystnb: figure: caption:` of the cell what to see in it"
                    if from_cell
                    else "put it into a {figure} with a caption that says what to see"
                ),
            )
        elif alt is not None and " ".join(alt.split()) == " ".join(
            caption.astext().split()
        ):
            yield (
                image,
                "a picture whose alternative text is its caption, which would be read "
                f"out twice: {remedy}",
            )
        if not PAIRED & set(image["classes"]):
            lonely = _lonely(app, image["uri"], from_cell)
            if lonely:
                yield image, lonely
    for raw in doctree.findall(nodes.raw):
        if "html" in raw.get("format", "").split() and not _shown_as_image(raw):
            yield from ((raw, what) for what in _faults_of_html(raw.astext()))


def _shown_as_image(raw: nodes.raw) -> bool:
    """Return whether HTML is an output's other form, of which a page shows an image."""
    above = raw.parent
    while above is not None and above.get("nb_element") != "mime_bundle":
        above = above.parent
    return above is not None and any(above.findall(nodes.image))


def _is_for_notebooks(image: nodes.image) -> bool:
    """Return whether a PNG stands beside an SVG, of which a page shows the SVG."""
    above = image.parent
    while above is not None and above.get("nb_element") != "mime_bundle":
        above = above.parent
    return (
        above is not None
        and image["uri"].endswith(".png")
        and any(other["uri"].endswith(".svg") for other in above.findall(nodes.image))
    )


def _lonely(app: Sphinx, uri: str, from_cell: bool) -> str:
    """Return why a picture has no dark partner, or ""."""
    path = Path(app.env.relfn2path(uri, app.env.docname)[1])
    suffix = path.suffix.lower()
    if not from_cell:
        return (
            f"a picture without a partner for dark pages: {path.name}. Give it the "
            "class only-light and add one of class only-dark, or the class dark-light "
            "if it is right on both grounds"
        )
    if suffix == ".svg":
        colors = lonely_colors(path.read_text("utf8"))
    elif suffix == ".gif":
        colors = lonely_colors_of_gif(path.read_bytes())
    else:
        return (
            f"a picture in a format without a partner for dark pages: {suffix[1:]}. "
            "Call descent.page.figures.use_style first, so that it comes out as SVG"
        )
    if not colors:
        return ""
    return (
        "a picture in colors without a partner for dark pages: "
        f"{', '.join(colors[:4])}{' ...' if len(colors) > 4 else ''}. Use those of "
        f"descent.page.figures (or add a pair to its DARK), or the color map {MAP}"
    )


def _faults_of_html(text: str) -> Iterator[str]:
    """Yield what is wrong with the pictures of a piece of HTML."""
    root = LexborHTMLParser(text).root
    for node in root.traverse() if root is not None else ():
        tag = (node.tag or "").lower()
        found = {key: value or "" for key, value in node.attributes.items()}
        source = found.get("src", "")
        shown = source if len(source) < 60 else source[:60] + "..."
        if tag == "img" or (tag == "input" and found.get("type") == "image"):
            if says_nothing(found.get("alt", ""), Path(source[:200]).name):
                yield (
                    f"a picture without alternative text: {shown}. Say in its alt "
                    "what it shows"
                )
            if not PAIRED & set(found.get("class", "").split()):
                yield (
                    f"a picture without a partner for dark pages: {shown}. Give it "
                    "the class only-light and add one of class only-dark, or the "
                    "class dark-light if it is right on both grounds"
                )
        elif tag == "svg" and found.get("aria-hidden") != "true":
            if not (
                found.get("aria-label", "").strip() or "<title" in (node.html or "")
            ):
                yield "a drawing (svg) without an aria-label or a title"
            literal = re.findall(
                r"\b(?:fill|stroke)\s*[=:]\s*[\"']?\s*(#?[\w(,%. ]+)", node.html or ""
            )
            lonely = [c for c in literal if c.strip().lower() not in _NO_COLOR]
            if lonely:
                yield (
                    "a drawing (svg) in a color that is the same on dark pages: "
                    f"{lonely[0]}. Use currentColor"
                )
        elif tag == "iframe" and not found.get("title", "").strip():
            yield "a frame without a title"
        elif tag == "area" and says_nothing(found.get("alt", "")):
            yield "a part of a picture to click without alternative text"


def _look(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of whatever a picture of a page lacks."""
    if app.builder.format != "html":
        return
    for node, what in faults(app, doctree):
        logger.warning("%s: %s", place_of(app, node), what)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before the extensions that exchange pictures, from 390."""
    app.connect("doctree-read", _look, priority=order.PICTURE_CHECK)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
