"""ES modules as one classic script.

Browsers refuse to load modules from the disk, and a notebook's cell has no address to
load them from. Both get one script instead. It understands what the explorables use
of the language: named imports in one line, exports in front of what they export, and
no text over several lines.

Belongs to no chapter: pages and notebooks stand on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files

from descent.page import figures

__all__ = ["bundle", "explorable_modules", "explorable_names", "style"]

_IMPORT = re.compile(
    r'^import \{ (\w+(?:, \w+)*) \} from "\./([\w-]+)\.js";\n', re.MULTILINE
)
_EXPORT = re.compile(r"^export (?=(?:function|const|class) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
# What only readers of the source need: indentation, comments in lines of their own.
_FOR_READERS = re.compile(r"^ *(?://.*)?\n?", re.MULTILINE)

# The colors by the names that the style sheet and the modules call them: --ex-ink.
_COLORS = {
    "ink": figures.INK,
    "muted": figures.MUTED,
    "grid": figures.GRID,
    "ground": figures.GROUND,
    "blue": figures.BLUE,
    "orange": figures.ORANGE,
    "green": figures.GREEN,
    "purple": figures.PURPLE,
    "red": figures.RATES[2],
    "gold": figures.RATES[5],
}

# Dark pages of the book, of JupyterLab, and of Colab.
_DARK_PAGE = (
    ':is(html[data-theme="dark"], body[data-jp-theme-light="false"], '
    'html[theme="dark"])'
)

# The module that brings an explorable to life; it needs no other's name.
_START = "start"


@lru_cache(maxsize=1)
def explorable_modules() -> dict[str, str]:
    """Return the explorables' ES modules by name, without the ending.

    Returns
    -------
    dict of str to str
        The sources. Those with a default export are the explorables themselves.
    """
    folder = files("descent.page.explorable")
    sources = {
        path.name.removesuffix(".js"): path.read_text("utf8")
        for path in folder.iterdir()
        if path.name.endswith(".js")
    }
    return dict(sorted(sources.items()))


def explorable_names() -> list[str]:
    """Return the names of the modules that are explorables.

    Returns
    -------
    list of str
        The names, in alphabetical order.
    """
    return [n for n, text in explorable_modules().items() if _DEFAULT.search(text)]


@lru_cache(maxsize=1)
def style() -> str:
    """Return the explorables' style sheet.

    Returns
    -------
    str
        The colors of `descent.page.figures`, light and dark, as variables; then the
        text of the CSS file.
    """
    light, dark = (
        " ".join(f"--ex-{name}: {color};" for name, color in colors)
        for colors in (
            _COLORS.items(),
            [(name, figures.DARK[color]) for name, color in _COLORS.items()],
        )
    )
    rules = (files("descent.page.explorable") / "explorables.css").read_text("utf8")
    return f".explorable {{ {light} }}\n{_DARK_PAGE} .explorable {{ {dark} }}\n{rules}"


def bundle(sources: Mapping[str, str], wanted: Iterable[str] | None = None) -> str:
    """Return ES modules as one expression of a classic script.

    Parameters
    ----------
    sources : mapping
        The modules by name, without their ending. One of them, ``start``, exports a
        function ``start(element, explorables)``.
    wanted : iterable of str, optional
        The modules whose default exports are explorables to be started, and with
        them all that they import. By default all that have a default export.

    Returns
    -------
    str
        Its value is a function of an element, which starts the explorable there.

    Raises
    ------
    ValueError
        If a module imports or exports in a way that is not understood, or imports
        one that is missing or that imports it in turn.
    """
    done: dict[str, str] = {}
    under_way: list[str] = []

    def add(name: str) -> None:
        if name in done:
            return
        if name not in sources or name in under_way:
            raise ValueError(f"{name}.js is imported, but missing or in a circle")
        under_way.append(name)
        text = sources[name]
        for _, other in _IMPORT.findall(text):
            add(other)
        exported = _EXPORT.findall(text)
        text = _IMPORT.sub(r"const { \1 } = modules['\2'];\n", text)
        text, defaults = _DEFAULT.subn("const main = ", _EXPORT.sub("", text))
        left = re.search(r"^(import|export)\b.*", text, re.MULTILINE)
        if left:
            raise ValueError(f"{name}.js: not understood: {left[0]}")
        names = ", ".join([*exported, *["main"] * defaults])
        done[name] = (
            f"modules['{name}'] = (() => {{\n{text}return {{ {names} }};\n}})();\n"
        )

    if wanted is None:
        wanted = [name for name in sources if _DEFAULT.search(sources[name])]
    wanted = sorted(wanted)
    for name in [*wanted, _START]:
        add(name)
    for name, text in done.items():
        done[name] = _FOR_READERS.sub("", text)
    mains = ", ".join(f"'{name}': modules['{name}'].main" for name in wanted)
    return (
        '(() => {\n"use strict";\nconst modules = {};\n'
        + "".join(done.values())
        + f"const explorables = {{ {mains} }};\n"
        + f"return (box) => modules['{_START}'].start(box, explorables);\n}})()"
    )
