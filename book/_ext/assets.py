"""What a page loads: nothing that it does not use, and nothing that holds it up.

Jupyter Book brings extensions along whether or not a book uses them, and each puts
its scripts and styles on every page. Thebe, which would run cells in the page, even
names a foreign host, and twice, which is an error in the browser's console. Here
unused scripts are left out, and those that every page needs become one file that
waits until the page is read; all styles become one file with only the rules that
some page can use; and what no page asks for is taken out of the site.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import tinycss2
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript
from sphinx.util import logging

import order
from dependencies import content_digest
from descent.files import replacing

logger = logging.getLogger(__name__)

# Modules whose work on the pages is undone, and the files they would add.
UNUSED_MODULES = ("sphinx_thebe", "sphinx_togglebutton")
UNUSED_FILES = (
    *("sphinx-thebe.js", "sphinx-thebe.css", "design-tabs.js", "togglebutton.css"),
    "sphinx_highlight.js",  # marks what Sphinx's own search has found
)

# Settings for parts of the theme that the book does not have.
UNUSED_SETTINGS = ("DOCUMENTATION_OPTIONS.",)

# The order in which styles override each other.
STYLES = (
    "basic.css",
    "styles/theme.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "sphinx-design.min.css",
    "descent.css",
)
SHEET = "book.css"

# What every page needs, in the order in which it is to run.
THEME = "scripts/pydata-sphinx-theme.js"
SCRIPTS = (
    "documentation_options.js",
    "doctools.js",
    "scripts/sphinx-book-theme.js",
    "reading.js",
    "meanings.js",
    THEME,
)
SCRIPT = "book.js"

# The theme's way of letting the keyboard reach what scrolls: once a page is loaded it
# measures and marks all its code in turn, so that the page is laid out anew for each.
# reading.js does it without.
REACHED_ELSEWHERE = re.compile(
    r'"complete"===document\.readyState\?(\w+)\(\):'
    r'window\.addEventListener\("load",\1\)'
)

# What acts on menus and tips, and the classes that say in what state these are.
COMPONENTS = "scripts/bootstrap.js"
STATES = {"show", "showing", "hide", "fade"}

# Selectors with :has(), in other words: at every change within a figure, a browser
# looks at all that stands around it for what they could mean now, which takes longer
# than to draw the figure. (Not all are left out for want of what they name.)
IN_OTHER_WORDS = {
    "div.highlight:has(button.copybtn)": ["div.highlight"],
    # A pale ground in the dark; what cells leave as HTML has colors of its own there.
    "html[data-theme=dark] .bd-content div.cell_output .text_html"
    ":not(:has(table.dataframe))": [],
    "div.cell:has(> *:nth-child(2)) div.cell_input:first-child": [
        "div.cell > div.cell_input:first-child:not(:last-child)"
    ],
    "div.cell:has(> *:nth-child(2)) details:first-child": [
        "div.cell > details:first-child:not(:last-child)"
    ],
    "div.cell:has(> *:nth-child(2)) div.cell_input:last-child": [
        "div.cell > div.cell_input:last-child:not(:first-child)"
    ],
    "div.cell:has(> *:nth-child(2)) details:last-child": [
        "div.cell > details:last-child:not(:first-child)"
    ],
    # What a cell says is always highlighted text here.
    ".cell_output .output.text_plain:not(:has(.highlight))": [],
    ".cell_output .output.stream:not(:has(.highlight))": [],
    # The toggles of sphinx-togglebutton, which the book does not have.
    ".bd-content .dropdown.admonition.toggle:has(:focus-visible)": [],
    ".bd-content .dropdown.admonition.toggle:has(:focus-visible) "
    ".admonition-title:before": [],
    ".bd-content .dropdown.admonition.toggle:has(:focus-visible):not(.toggle-hidden) "
    ".admonition-title:before": [],
}

# How a file is called that has a sheet taken apart.
PARTS = ".parts"

# What nobody wants before there is a page: reading.js asks for it then.
LATE_SCRIPTS = ("clipboard.min.js", "copybutton.js", COMPONENTS)
LATE_SCRIPT = "late.js"

# Brought along, asked for by no page.
IDLE = (
    "**/*.map",
    "scripts/fontawesome.js*",
    "styles/bootstrap.css",
    "vendor/**/*",
    "webpack-macros.html",
    "sbt-webpack-macros.html",
    "sphinx-thebe.*",
    "locales/**/*",
    "language_data.js",
    "searchtools.js",
    "sphinx_highlight.js",
    "__pycache__/**/*",
)


def _disconnect(app: Sphinx) -> None:
    """Let the unused extensions hear of no event any more."""
    for name, listeners in app.events.listeners.items():
        app.events.listeners[name] = [
            listener
            for listener in listeners
            if not listener.handler.__module__.startswith(UNUSED_MODULES)
        ]


def _leave_out(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Leave all styles out of a page's head, and all scripts but one, which waits."""
    # Jupyter Book puts what lies in _static on every page, whether or not all need it.
    own = {Path(str(file)).name for file, _ in app.config.html_css_files}
    for file in context["css_files"]:
        sheet = Path(str(getattr(file, "filename", file))).name
        known = any(Path(sheet).match(Path(other).name) for other in STYLES)
        if not known and sheet not in (*UNUSED_FILES, *own):
            logger.warning("assets.py does not know the style sheet %s", sheet)
    context["css_files"] = []

    own = {f"_static/{file}" for file, _ in app.config.html_js_files}
    bundled = {f"_static/{script}" for script in (*SCRIPTS, *LATE_SCRIPTS)}
    scripts = [_bundle(Path(app.outdir) / "_static")]
    bodies = set()
    for file in context["script_files"]:
        path = str(getattr(file, "filename", file) or "")
        body = getattr(file, "attributes", {}).get("body")
        if body:
            if body not in bodies and not body.startswith(UNUSED_SETTINGS):
                scripts.append(file)
            bodies.add(body)
        elif path not in {*bundled, *own} and Path(path).name not in UNUSED_FILES:
            scripts.append(file)
    context["script_files"] = scripts


# A rule as JSON: text that stays; a rule's selectors, each with the names that must
# occur (None: it stays), and its body; or a head and the rules inside.
Rule = str | list[Any]


def _take_apart(css: str) -> list[Rule]:
    """Return the rules of a style sheet."""
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return list(_parts(rules))


def _parts(rules: Iterable[Any]) -> Iterator[Rule]:
    """Yield rules as text and lists of it, without those that nothing needs."""
    for rule in rules:
        if rule.type == "at-rule" and rule.content is not None:
            if rule.at_keyword in ("media", "supports", "layer"):
                inner = tinycss2.parse_rule_list(
                    rule.content, skip_comments=True, skip_whitespace=True
                )
                head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
                yield [head, list(_parts(inner))]
            elif "Font Awesome" not in tinycss2.serialize(rule.content).replace(
                "\\", ""
            ):
                yield rule.serialize() + "\n"
        elif rule.type == "qualified-rule":
            selectors = [
                words
                for selector in _split(tinycss2.serialize(rule.prelude))
                for words in IN_OTHER_WORDS.get(selector, [selector])
            ]
            content = tinycss2.serialize(rule.content).strip()
            yield [[[part, _needed(part)] for part in selectors], f"{{{content}}}\n"]
        # What a sheet imports stands before it already.
        elif rule.type == "at-rule" and rule.at_keyword != "import":
            yield rule.serialize() + "\n"


def _needed(selector: str) -> list[str] | None:
    """Return the classes and ids without which a selector finds nothing, if known."""
    bare = re.sub(r"\[[^\]]*\]", "", selector)
    # What must not be there need not be there; what something must have, must.
    bare = re.sub(r":not\([^()]*(\([^()]*\))*[^()]*\)", "", bare)
    if re.search(r":(is|where|host)\b", bare):
        return None
    names = re.findall(r"[.#]((?:[\w-]|\\.)+)", bare)
    return [re.sub(r"\\(.)", r"\1", name) for name in names]


def _kept(rules: Iterable[Rule], words: set[str]) -> Iterator[str]:
    """Yield the rules that can apply, as text."""
    for rule in rules:
        if isinstance(rule, str):
            yield rule
        elif isinstance(rule[0], str):
            if inner := "".join(_kept(rule[1], words)):
                yield f"{rule[0]}{{{inner}}}\n"
        else:
            possible = [
                part
                for part, needed in rule[0]
                if needed is None or words.issuperset(needed)
            ]
            if possible:
                yield ",".join(possible) + rule[1]


def _slimmed(sheet: Path, words: set[str]) -> str:
    """Return what is left of a sheet, which is taken apart only if it is another."""
    css = sheet.read_text("utf8")
    digest = hashlib.sha256((css + content_digest(__file__)).encode()).hexdigest()
    parts = sheet.with_suffix(PARTS)
    if parts.exists():
        made_of, _, text = parts.read_text("utf8").partition("\n")
        if made_of == digest:
            return "".join(_kept(json.loads(text), words))
    rules = _take_apart(css)
    with replacing(parts) as file:
        file.write(f"{digest}\n{json.dumps(rules)}".encode())
    return "".join(_kept(rules, words))


def _split(prelude: str) -> list[str]:
    """Return the selectors of a list; commas within brackets do not part them."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(prelude):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(prelude[start:at].strip())
            start = at + 1
    return [*parts, prelude[start:].strip()]


def _words(site: Path) -> set[str]:
    """Return all that can be a class or an id on some page, now or when it is used."""
    words: set[str] = set()
    toggled: set[str] = set()
    for path in site.glob("*.html"):
        for name, _, value in re.findall(
            r"""\b(class|id|data-bs-toggle)=(["'])(.*?)\2""",
            path.read_text("utf8"),
            re.DOTALL,
        ):
            (toggled if name == "data-bs-toggle" else words).update(value.split())
    static = site / "_static"
    for path in static.rglob("*.js"):
        if path.name in (SCRIPT, LATE_SCRIPT):
            continue  # its parts are there, too
        there = set(re.findall(r"[\w-]+", path.read_text("utf8")))
        if path == static / COMPONENTS:  # most of what it could do, no page asks for
            there = {
                word
                for word in there
                if word in STATES or word.startswith(tuple(toggled))
            }
        words |= there
    return words


@lru_cache(maxsize=1)
def _bundle(static: Path) -> _JavaScript:
    """Write what every page needs as two files, and return the one that pages name.

    Each file costs a phone a way to the server and back.

    Parameters
    ----------
    static : pathlib.Path
        The folder to which Sphinx has copied the scripts, before the first page.
    """
    for bundle, names in ((SCRIPT, SCRIPTS), (LATE_SCRIPT, LATE_SCRIPTS)):
        texts = {name: (static / name).read_text("utf8") for name in names}
        if THEME in texts:
            texts[THEME], count = REACHED_ELSEWHERE.subn("0", texts[THEME])
            if count != 1:
                logger.warning("assets.py does not know the script %s any more", THEME)
        (static / bundle).write_text("\n;\n".join(texts.values()), "utf8")
    return _JavaScript(f"_static/{SCRIPT}", priority=500, defer="defer")


def _set_aside(static: Path, kept: Path) -> list[Path]:
    """Move the single style sheets out of the site, and return all of them in order.

    A build copies only what it believes has changed, so those of earlier builds are
    kept for the next.
    """
    kept.mkdir(exist_ok=True)
    sheets = []
    for name in STYLES:
        fresh = sorted(static.glob(name))
        pattern = Path(name).name
        if fresh:
            for old in kept.glob(pattern):
                old.unlink()
            for path in fresh:
                path.replace(kept / path.name)
        kept_sheets = sorted(kept.glob(pattern))
        if not kept_sheets:
            logger.warning("the style sheet %s is missing: run `make clean`", name)
        sheets += kept_sheets
    return sheets


def _write_style(app: Sphinx, failure: Exception | None) -> None:
    """Write the one style sheet; take what nobody asks for out of the site."""
    if failure is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    for pattern in IDLE:
        for path in static.glob(pattern):
            if path.is_file():
                path.unlink()
    sheets = _set_aside(static, site.parent / ".styles")
    words = _words(site)
    text = "".join(_slimmed(path, words) for path in sheets)
    for selector in re.findall(r"^[^{}]*:has\([^{}]*(?=\{)", text, re.MULTILINE):
        logger.warning("assets.py has no other words for the selector %s", selector)
    (static / SHEET).write_text(text, "utf8")


def _digest(folder: Path) -> str:
    """Return what tells the files of a folder, now, from those of another time."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name} {content_digest(str(path))}\n".encode())
    return digest.hexdigest()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, after the extensions that Jupyter Book brings along."""
    _disconnect(app)
    # Sphinx looks at texts, settings and templates. A page is also written anew when
    # what it loads has changed, and read anew when what makes it has.
    app.add_config_value("digest_of_static", _digest(app.srcdir / "_static"), "html")
    app.add_config_value("digest_of_extensions", _digest(app.srcdir / "_ext"), "env")
    app.connect("html-page-context", _leave_out, priority=order.ASSETS)
    app.connect("build-finished", _write_style, priority=order.UNUSED)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
