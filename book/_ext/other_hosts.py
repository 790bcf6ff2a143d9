"""What the published files could make a browser ask of another host.

A list of the attributes that browsers fetch from is never complete. So every
attribute of every element, every string of a style sheet, a script or a data file is
read, in the ways in which a browser would read it, and whatever names another host is
refused, unless it stands in one of the few places of `PERMITS`, where nothing is asked
before a reader clicks. A file of a kind that cannot be read here is refused, too.

A program can put an address together from parts that no reader recognizes. Against
those every page carries `POLICY`, a Content Security Policy by which the browser itself
refuses. Notebooks and sources that lie in the site for download are data: a browser
shows or saves them, and runs nothing in them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode

# By scheme too, because a page that is opened from the disk has no host of its own.
# Scripts and styles in the page are the theme's way; they are read here.
POLICY = (
    "default-src 'self' file: data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "base-uri 'none'; form-action 'self' file: {own}"
)
# On pages whose code runs in them (`live`): Binder and the machines that it hands out,
# all below its own name. Nothing is asked of them before a reader presses a button.
BINDER = "https://mybinder.org"
LIVE_HOSTS = f"{BINDER} https://*.mybinder.org wss://*.mybinder.org"
LIVE_POLICY = f"{POLICY}; connect-src 'self' data: blob: {LIVE_HOSTS}"


@dataclass(frozen=True)
class Permit:
    """A place that may name another host, and why nothing is asked of it.

    Attributes
    ----------
    place : str
        ``element[rel=...] attribute`` of a page, ``svg element attribute`` of an SVG
        file, or ``script``.
    value : str
        Pattern that the whole value must match; ``{own}`` is the book's own address.
    why : str
    """

    place: str
    value: str
    why: str

    def covers(self, place: str, value: str, own: str) -> bool:
        """Return whether this permit is for a value at a place."""
        pattern = self.value.replace("{own}", re.escape(own) if own else "(?!)")
        return place == self.place and re.fullmatch(pattern, value) is not None


_PLAIN = r"[^\s<>\"'\\]"
_SVG = "http://www.w3.org/2000/svg"

PERMITS = (
    Permit("a href", rf"https?://{_PLAIN}+", "a link, asked when a reader clicks it"),
    Permit("link[rel=canonical] href", rf"{{own}}{_PLAIN}*", "a name, for crawlers"),
    Permit("meta[property=og:url] content", rf"{{own}}{_PLAIN}*", "for crawlers"),
    Permit("meta[property=og:image] content", rf"{{own}}{_PLAIN}*", "for crawlers"),
    Permit(
        "meta[http-equiv=content-security-policy] content",
        re.escape(POLICY).replace(re.escape("{own}"), "{own}"),
        "the policy that lets the page for unknown addresses search the book",
    ),
    Permit(
        "meta[http-equiv=content-security-policy] content",
        re.escape(LIVE_POLICY).replace(re.escape("{own}"), "{own}"),
        "the policy that lets a chapter's code run in Binder, after a button",
    ),
    Permit("div data-binder", re.escape(BINDER), "asked after a button that says so"),
    Permit(
        "form action",
        r"{own}search\.html",
        "the search of the page for unknown addresses, which stands at any depth",
    ),
    Permit("svg xmlns", re.escape(_SVG), "a namespace"),
    Permit("script", re.escape(_SVG), "a namespace"),
    Permit(
        "svg type resource",
        re.escape("http://purl.org/dc/dcmitype/StillImage"),
        "what matplotlib says a picture is: a name",
    ),
    Permit(
        "script",
        r"https://pydata-sphinx-theme\.readthedocs\.io/en/stable/user_guide/"
        r"version-dropdown\.html",
        "in a message of the theme to developers",
    ),
    Permit("script", r"https://clipboardjs\.com/", "in a license's comment"),
)

# Kinds of files by how they are read. What is only shown, heard or saved names no
# address that a browser would follow.
PAGES = frozenset({".html", ".htm", ".xhtml"})
SCRIPTS = frozenset({".js", ".mjs", ".cjs"})
STYLES = frozenset({".css"})
MARKUP = frozenset({".svg", ".xml"})
DATA = frozenset({".json", ".webmanifest"})
RASTERS = frozenset({".png", ".gif", ".jpg", ".jpeg", ".webp", ".avif", ".ico"})
INERT = RASTERS.union(
    (".wav", ".mp3", ".ogg", ".flac", ".m4a", ".mp4", ".webm", ".woff2", ".woff"),
    (".txt", ".md", ".ipynb", ".inv", ".pdf", ".csv"),
)
# Sphinx's record of a build, and what tells GitHub not to process the pages.
INERT_NAMES = frozenset({".buildinfo", ".nojekyll"})

# Programs of others that are too large to be read here, by their SHA-256: as they are,
# and with the policy above, they ask nobody but the server that they are told to.
VETTED = {
    "2efeb764b884440e5079f6069d31bef2e7048cba9db443cc856a6dc84f33b252": "Thebe, as "
    "teachbooks-sphinx-thebe 1.0.2 carries it",
}

_SCHEME = r"(?:https?|wss?|ftp)"
# In an attribute: a scheme that asks a host, or two slashes (of either kind) where an
# address can begin. Browsers drop control characters before it, and line ends inside.
_IN_TEXT = re.compile(
    rf"(?<![\w+.-]){_SCHEME}:[^\s]+|(?:^|[\x00-\x20,;=('\"`|&])[/\\]{{2,}}[^\s/\\]\S*",
    re.IGNORECASE,
)
# A script, in which strings are not told apart from the rest: any "://", and two
# slashes where a string, or an attribute within it, can begin with them; a lone scheme,
# or slashes alone, from which an address could be put together.
_IN_SCRIPT = re.compile(
    r"[\w+.-]*:(?:[/\\]|%2f){2,}[^\s\"'`<>)]*"
    rf"|[\"'`]\s*{_SCHEME}:[^\"'`\s]*"
    r"|[\"'`=]\s*[/\\]{2,}(?:\w|\[|\$\{)[^\s\"'`<>)]*"
    r"|\burl\(\s*[/\\]{2,}[^\s\"'`<>)]*"
    r"|[\"'`]:?[/\\]{2}[\"'`]"
    rf"|{_SCHEME}%3a[^\s\"'`<>)]*",
    re.IGNORECASE,
)
# Without one of these a value names no host, however it is read.
_SUSPICIOUS = re.compile(r"[:\\&]|/[\t\r\n]*/")
# Schemes that run, open or read what the gate cannot follow.
_OTHER_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]*):", re.IGNORECASE)
ADDRESSES = frozenset(
    {
        *("href", "src", "action", "formaction", "data", "poster", "background"),
        *("cite", "longdesc", "manifest", "ping", "codebase", "classid", "icon"),
        *("lowsrc", "dynsrc"),
    }
)
_HARMLESS_SCHEMES = frozenset({"data", "mailto"})
_JS_ESCAPE = re.compile(
    r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\}|([0-7]{1,3})|(\r?\n)|(.))",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPT_TYPES = re.compile(
    r"|module|(?:text|application)/(?:x-)?(?:java|ecma|j|live)script[\d.]*",
    re.IGNORECASE,
)
_DEEPEST = 6


class Unreadable(ValueError):
    """Something that cannot be read as the browser would read it."""


class Reader:
    """Reads published files for addresses on other hosts.

    Parameters
    ----------
    own : str
        The address at which the book is published, with a slash at its end, or "".

    Attributes
    ----------
    used : set of Permit
        The permits that something needed so far.
    """

    def __init__(self, own: str = "") -> None:
        self.own = own
        self.used: set[Permit] = set()
        self._clean: set[tuple[str, str]] = set()

    def file(self, path: Path) -> Iterator[tuple[str, str]]:
        """Yield (place, what it names) for whatever a file may not name.

        Parameters
        ----------
        path : pathlib.Path
            A file of the site.
        """
        suffix = path.suffix.lower()
        if suffix in INERT or path.name in INERT_NAMES:
            return
        try:
            if suffix in MARKUP:
                yield from self.markup(path.read_bytes())
                return
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() in VETTED:
                return
            text = content.decode("utf-8-sig")
            if suffix in PAGES:
                yield from self.page(text)
            elif suffix in SCRIPTS:
                yield from self.script(text)
            elif suffix in STYLES:
                yield from self.style(text)
            elif suffix in DATA:
                yield from self.data(text)
            else:
                yield "file", f"of a kind that is not read: {path.name}"
        except UnicodeDecodeError as error:
            yield "file", f"not in UTF-8: {error}"
        except Unreadable as error:
            yield "file", str(error)

    def page(self, text: str, depth: int = 0) -> Iterator[tuple[str, str]]:
        """Yield what an HTML page may not name.

        Parameters
        ----------
        text : str
            The page.
        depth : int
            How many documents this one lies within.
        """
        if depth > _DEEPEST:
            yield "page", "documents within documents, too deep to be read"
            return
        root = LexborHTMLParser(text).root
        if root is None:
            return
        for node in root.traverse():
            yield from self._element(node, depth)

    def _element(self, node: LexborNode, depth: int) -> Iterator[tuple[str, str]]:
        tag = node.tag or ""
        attributes = {k.lower(): v or "" for k, v in node.attributes.items()}
        lower = tag.lower()
        name = lower
        for key in ("rel", "property", "name", "http-equiv"):
            if lower in {"link", "meta"} and key in attributes:
                name = f"{lower}[{key}={attributes[key].lower()}]"
                break
        kind = attributes.get("type", "").strip()
        if lower == "base":
            yield "base", "changes what every address of the page means"
        if lower == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            yield "meta", f"leads away by itself: {attributes.get('content')}"
        if lower == "script" and kind.lower() == "speculationrules":
            yield "script", "lets the browser ask for what links name: speculationrules"
        if attributes.get("charset", "utf-8").strip().lower() not in {"utf-8", "utf8"}:
            yield f"{name} charset", f"must be utf-8, got {attributes['charset']}"
        for key, value in attributes.items():
            yield from self.attribute(name, key, value, depth)
        if lower == "script":
            content = node.text(deep=True)
            if _SCRIPT_TYPES.fullmatch(kind):
                yield from self.script(content)
            elif kind.lower() == "importmap" or kind.lower().endswith("json"):
                yield from self.data(content)
            else:
                yield from self._text("script", content, depth)
        elif lower == "style":
            yield from self.style(node.text(deep=True), depth)
        elif lower == "template":
            # Its content is no child of it. What the parser would drop outside a
            # table is found in the text.
            inner = re.sub(r"^<template[^>]*>|</template>$", "", node.html or "")
            yield from self._text("template", html.unescape(inner), depth)
            yield from self.page(inner, depth + 1)

    def attribute(
        self, element: str, name: str, value: str, depth: int = 0
    ) -> Iterator[tuple[str, str]]:
        """Yield what one attribute may not name.

        Parameters
        ----------
        element, name : str
            Where it stands; `name` without its namespace's prefix.
        value : str
            As the parser gives it, with entities resolved.
        depth : int
            How many documents this one lies within.
        """
        if not _SUSPICIOUS.search(value) and name != "srcdoc" and name[:2] != "on":
            return
        name = name.removeprefix("xlink:")
        place = f"{element} {name}"
        if (place, value) in self._clean:
            return
        harm = list(self._attribute(place, name, value, depth))
        if not harm:
            self._clean.add((place, value))
        yield from harm

    def _attribute(
        self, place: str, name: str, value: str, depth: int
    ) -> Iterator[tuple[str, str]]:
        if name == "srcdoc":
            yield from self.page(value, depth + 1)
            return
        if name.startswith("on"):
            yield from self.script(value)
            return
        if name in ADDRESSES:
            bare = re.sub(r"[\t\n\r]", "", value).lstrip("".join(map(chr, range(0x21))))
            scheme = _OTHER_SCHEME.match(bare)
            if scheme and scheme[1].lower() == "data":
                yield from self._embedded(place, bare, depth)
                return
            if scheme and not re.fullmatch(_SCHEME, scheme[1], re.IGNORECASE):
                if scheme[1].lower() not in _HARMLESS_SCHEMES or name != "href":
                    yield place, bare
                return
        if name == "style" or "\\" in value or re.search(r"\b(?:url|src)\(", value):
            styled = list(self.style(value, depth, declarations=True))
            if styled:
                yield from ((place, what) for _, what in styled)
                return
        yield from self._text(place, value, depth)

    def _text(self, place: str, value: str, depth: int) -> Iterator[tuple[str, str]]:
        """Yield what a text names in which an address may stand anywhere."""
        readings = {value, re.sub(r"[\t\n\r]", "", value)}
        if "&" in value:
            readings.add(html.unescape(value))
        for reading in sorted(readings):
            if (hit := _IN_TEXT.search(reading)) and not self._may(place, value):
                yield place, hit[0].strip()
                return
            if "javascript:" in re.sub(r"\s", "", reading.lower()):
                yield place, reading.strip()
                return
        for start in re.finditer(r"data:[^,\s]*[,;]", value, re.IGNORECASE):
            yield from self._embedded(place, value[start.start() :], depth)

    def _may(self, place: str, value: str) -> bool:
        for permit in PERMITS:
            if permit.covers(place, value, self.own):
                self.used.add(permit)
                return True
        return False

    def _embedded(
        self, place: str, address: str, depth: int
    ) -> Iterator[tuple[str, str]]:
        """Yield what lies in a ``data:`` address and may not."""
        head, comma, body = address[5:].partition(",")
        kind, *more = (part.strip().lower() for part in head.split(";"))
        if not comma or depth > _DEEPEST:
            yield place, f"cannot be read: {address[:80]}"
            return
        if re.fullmatch(r"(image/(?!svg)[\w.+-]+|font/.*|audio/.*|video/.*)", kind):
            return
        raw = unquote_to_bytes(body)
        if "base64" in more:
            packed = re.sub(rb"[^A-Za-z0-9+/]", b"", re.split(rb"[\"')\s=]", raw)[0])
            try:
                raw = base64.b64decode(packed + b"=" * (-len(packed) % 4))
            except binascii.Error:
                yield place, f"cannot be read: {address[:80]}"
                return
        text = raw.decode("utf8", "replace")
        inner = list(self.page(text, depth + 1))
        if "svg" in kind or "xml" in kind:
            try:
                inner += self.markup(raw, depth + 1)
            except Unreadable:  # a browser shows none of it, or what comes before
                inner += self._text(place, text, depth + 1) if not inner else []
        elif "css" in kind:
            inner += self.style(text, depth + 1)
        elif "script" in kind:
            inner += self.script(text)
        elif "html" not in kind and _IN_TEXT.search(text):
            inner.append((place, text))
        yield from ((f"{place} data:", what) for _, what in inner)

    def style(
        self, text: str, depth: int = 0, *, declarations: bool = False
    ) -> Iterator[tuple[str, str]]:
        """Yield what a style sheet may not name.

        Parameters
        ----------
        text : str
            The style sheet, or the declarations of a style attribute.
        depth : int
            How many documents this one lies within.
        declarations : bool
            Whether it is the latter.
        """
        for value in css_strings(text):
            bare = re.sub(r"[\t\n\r]", "", value).strip()
            if bare.lower().startswith("data:"):
                yield from self._embedded("style", bare, depth + 1)
            else:
                yield from self._text("style", bare, depth)

    def script(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what a script may not name.

        Parameters
        ----------
        text : str
            The script.
        """
        seen: set[str] = set()
        for reading in (text, _JS_ESCAPE.sub(_unescaped, text)):
            for hit in _IN_SCRIPT.finditer(reading):
                address = hit[0].lstrip("\"'`").rstrip(".,;")
                if address not in seen and not self._may("script", address):
                    seen.add(address)
                    yield "script", address

    def data(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield what JSON may not name.

        Parameters
        ----------
        text : str
            The JSON.
        """
        try:
            waiting = [json.loads(text)]
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list):
                waiting += item
            elif isinstance(item, str):
                yield from self._text("json", item, 0)

    def markup(self, data: bytes, depth: int = 0) -> Iterator[tuple[str, str]]:
        """Yield what an SVG or another XML file may not name.

        Parameters
        ----------
        data : bytes
            The file.
        depth : int
            How many documents this one lies within.

        Raises
        ------
        Unreadable
            If it is not well-formed, or declares entities of its own.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        named: list[tuple[str, str, str]] = []  # element, attribute, value
        texts: list[tuple[str, list[str]]] = []
        open_ones: list[list[str] | None] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            local = tag.rpartition(" ")[2].lower()
            for key, value in attributes.items():
                named.append((f"svg {local}", key.rpartition(" ")[2].lower(), value))
            content: list[str] | None = [] if local in {"script", "style"} else None
            open_ones.append(content)
            if content is not None:
                texts.append((local, content))

        def end(tag: str) -> None:
            open_ones.pop()

        def characters(text: str) -> None:
            if open_ones and open_ones[-1] is not None:
                open_ones[-1].append(text)

        def doctype(
            name: str, system: str | None, public: str | None, internal: bool
        ) -> None:
            if internal:
                raise Unreadable("declares entities of its own")

        def instruction(target: str, text: str) -> None:
            named.append(("svg", f"?{target}", text))

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = characters
        parser.StartDoctypeDeclHandler = doctype
        parser.ProcessingInstructionHandler = instruction
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError) as error:
            raise Unreadable(f"not well-formed: {error}") from error
        for element, name, value in named:
            yield from self.attribute(element, name, value, depth)
        for local, content in texts:
            text = "".join(content)
            yield from (
                self.style(text, depth) if local == "style" else self.script(text)
            )


def css_addresses(text: str) -> Iterator[str]:
    """Yield every address that a style sheet asks for.

    Parameters
    ----------
    text : str
        The style sheet.
    """
    waiting = tinycss2.parse_component_value_list(text, skip_comments=True)
    while waiting:
        token = waiting.pop()
        if token.type == "url":
            yield token.value
        elif token.type == "function":
            inner = [part for part in token.arguments if part.type == "string"]
            if token.lower_name in {"url", "src"} and inner:
                yield inner[0].value
            else:
                waiting += token.arguments
        elif token.type in {"() block", "[] block", "{} block"}:
            waiting += token.content


def css_strings(text: str) -> Iterator[str]:
    """Yield every string and every address of a style sheet, with escapes resolved.

    Parameters
    ----------
    text : str
        A style sheet, or the declarations of a style attribute.
    """
    waiting = tinycss2.parse_component_value_list(text, skip_comments=True)
    while waiting:
        token = waiting.pop()
        if token.type in {"string", "url"}:
            yield token.value
        elif token.type == "error":
            # A browser drops it; another version of its rules might not.
            yield re.sub(r"^\s*\w+\(\s*[\"']?", "", token.serialize())
        elif token.type == "function":
            waiting += token.arguments
        elif token.type in {"() block", "[] block", "{} block"}:
            waiting += token.content


def _unescaped(escape: re.Match[str]) -> str:
    """Return the letter that an escape of JavaScript stands for."""
    for number, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if escape[number]:
            code = int(escape[number], base)
            return chr(code) if code < 0x110000 else ""
    return "" if escape[5] else escape[6]


def needless(used: Set[Permit]) -> list[Permit]:
    """Return the permits that nothing needed: each is a hole for nothing.

    Parameters
    ----------
    used : set of Permit
        What a `Reader` of a whole site used.
    """
    return [permit for permit in PERMITS if permit not in used]
