"""Code is colored with as few elements as its colors need.

Pygments puts every name, comma and space into an element of its own, although most look
like the text around them: more than a third of all elements of a page, each of which a
phone reads and lays out. Here what looks like plain text becomes plain text, and what
looks alike, light and dark, one element.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.formatters import HtmlFormatter
from pygments.style import Style
from pygments.styles import get_style_by_name
from pygments.token import STANDARD_TYPES, Text, _TokenType
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.highlighting import PygmentsBridge


def shortest_classes(styles: list[type[Style]]) -> dict[_TokenType, str]:
    """Return for each type of token the shortest class that looks like it.

    Parameters
    ----------
    styles : list of pygments.style.Style
        Those that a page may be seen in; in all of them it has to look alike.

    Returns
    -------
    dict
        A class, ``""`` for what looks like plain text, for each of Pygments's standard
        types.
    """

    def look(kind: _TokenType) -> str:
        return repr([style.style_for_token(kind) for style in styles])

    shortest = {look(Text): ""}
    for kind in sorted(STANDARD_TYPES, key=lambda kind: len(STANDARD_TYPES[kind])):
        shortest.setdefault(look(kind), STANDARD_TYPES[kind])
    return {kind: shortest[look(kind)] for kind in STANDARD_TYPES}


class SparingFormatter(HtmlFormatter):
    """Pygments's formatter, with the classes of `shortest_classes`."""

    classes: ClassVar[dict[_TokenType, str]] = {}

    def _get_css_classes(self, ttype: _TokenType) -> str:
        while ttype not in STANDARD_TYPES:
            ttype = ttype.parent
        return self.classes[ttype]


def _choose_classes(app: Sphinx, config: Config) -> None:
    """Read which styles the theme is told to use."""
    options: dict[str, Any] = config.html_theme_options
    SparingFormatter.classes = shortest_classes(
        [
            get_style_by_name(options[f"pygments_{scheme}_style"])
            for scheme in ("light", "dark")
        ]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    PygmentsBridge.html_formatter = SparingFormatter
    app.connect("config-inited", _choose_classes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
