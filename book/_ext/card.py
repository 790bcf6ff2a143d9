"""The preview card for social networks: the title over the first animation.

Its words are in `_config.yml`, its picture is the still of the landing page.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx

import order
from pictures import animation

FILE = "card.png"
SIZE = (1200, 630)


def draw_card(title: str, words: str, still: Path | None) -> Image.Image:
    """Return the card.

    Parameters
    ----------
    title, words : str
        What it says, in large letters and below in smaller ones.
    still : pathlib.Path or None
        The picture below, if there is one.
    """
    card = Image.new("RGB", SIZE, "#ffffff")
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, SIZE[0], 150), fill="#10343f")
    for place, text, color, font, size in (
        ((48, 22), title, "#ffffff", "DejaVu Sans:bold", 60),
        ((50, 98), words, "#bfe6ef", "DejaVu Sans", 27),
    ):
        letters = ImageFont.truetype(font_manager.findfont(font), size)
        draw.text(place, text, fill=color, font=letters)
    if still is not None:
        with Image.open(still) as image:
            picture = image.convert("RGB")
        picture.thumbnail((1120, 470))
        card.paste(picture, ((SIZE[0] - picture.width) // 2, 155))
    return card.quantize(128, dither=Image.Dither.NONE)


def first_still(app: Sphinx) -> Path | None:
    """Return the light still of the landing page's first animation."""
    doctree = app.env.get_doctree(app.config.root_doc)
    for film in doctree.findall(animation):
        for image in film.findall(nodes.image):
            if "on-light" in image["classes"]:
                return Path(app.srcdir) / image["uri"]
    return None


def _write_card(app: Sphinx, failure: Exception | None) -> None:
    """Write the card beside the other static files."""
    if failure is None and app.builder.format == "html":
        words = app.config.html_context["card_words"]
        card = draw_card(app.config.html_title, words, first_still(app))
        card.save(Path(app.outdir) / "_static" / FILE, optimize=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", _write_card, priority=order.CARD)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
