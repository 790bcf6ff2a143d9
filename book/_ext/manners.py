"""A book's manners: what a page says of itself to those who link to it or search it.

Every page gets a description and a preview for social networks; terms of the
glossary say what they mean where they are used; the search leads to chapters first;
the site gets a map, a page for addresses that lead nowhere, and a page that says which
versions computed the book and how long that took.
"""

from __future__ import annotations

import html
import platform
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

STATUS = "status"
CARD = "card.png"
PDF = "descent.pdf"

# Where `tools/make-pdf` puts the link, if there was no PDF when the page was made.
PDF_PLACE = "<!-- pdf -->"
PDF_LINK = f'<p><a href="{PDF}">The whole book as one PDF</a></p>'

# Pages that the book's builder makes.
DESCRIPTIONS = {
    "genindex": "All functions, classes and terms of the book Descent, from A to Z.",
    "search": "Search the text, code and captions of the book Descent.",
    STATUS: "The versions that computed the book Descent, and how long it took.",
}

# Search engines show about as many letters.
LONGEST = 155
LONGEST_TOOLTIP = 240


def shorten(text: str, longest: int) -> str:
    """Return whole sentences of a text, or whole words, up to a length."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= longest:
        return text
    start = text[: longest + 1]
    sentences = re.match(r".*[.!?](?=\s)", start)
    if sentences and len(sentences[0]) > longest // 2:
        return sentences[0]
    return start[: start.rfind(" ")].rstrip(",;:") + " …"


def describe(doctree: nodes.document) -> str:
    """Return the first paragraph that stands in a page's text by itself."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document):
            text = readable(paragraph)
            if len(text) > 40:
                return shorten(text, LONGEST)
    titles = [title.astext() for title in doctree.findall(nodes.title)]
    return ": ".join(["Descent", *titles[:1]])


def readable(node: nodes.Node) -> str:
    """Return a node's text without formulas' source."""
    copy = node.deepcopy()
    for formula in list(copy.findall(nodes.math)):
        words = re.sub(r"[\\{}^]|_(?=\{)", "", formula.astext())
        formula.replace_self(nodes.Text(words))
    return copy.astext()


def meanings(app: Sphinx) -> dict[str, str]:
    """Return what each term of the glossary means, by the id of its entry."""
    found = {}
    for name in app.env.found_docs:
        if "glossary" not in name:
            continue
        for glossary in app.env.get_doctree(name).findall(addnodes.glossary):
            for entry in glossary.findall(nodes.definition_list_item):
                for definition in entry.findall(nodes.definition):
                    text = shorten(readable(definition), LONGEST_TOOLTIP)
                    for term in entry.findall(nodes.term):
                        found.update(dict.fromkeys(term["ids"], text))
    return found


def _dress(
    app: Sphinx,
    name: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give a page its description; give links to the glossary their tooltips."""
    if doctree is not None:
        context["summary"] = describe(doctree)
    else:
        context["summary"] = DESCRIPTIONS.get(name, "")
    if 'name="description"' in context.get("metatags", ""):
        context["summary"] = ""
    context["card"] = f"{app.config.html_baseurl.rstrip('/')}/_static/{CARD}"
    context["address"] = context.get("pageurl") or app.config.html_baseurl

    if "body" in context and "#term-" in context["body"]:
        if not hasattr(app, "descent_meanings"):
            app.descent_meanings = meanings(app)  # type: ignore[attr-defined]
        known: dict[str, str] = app.descent_meanings  # type: ignore[attr-defined]

        def explain(link: re.Match[str]) -> str:
            text = known.get(link[2])
            return f'{link[1]} title="{html.escape(text)}">' if text else link[0]

        context["body"] = re.sub(
            r'(<a class="reference internal" href="[^"#]*#(term-[^"]+)")>',
            explain,
            context["body"],
        )
    if name == app.config.root_doc and "body" in context:
        there = (Path(app.outdir) / PDF).exists()
        context["body"] += PDF_LINK if there else PDF_PLACE


def _add_status(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page of versions and times."""
    rows = []
    total = 0.0
    first = app.config.root_doc
    for name in [first, *app.env.toctree_includes[first]]:
        data = app.env.nb_metadata.get(name, {})  # type: ignore[attr-defined]
        run: dict[str, Any] = data.get("exec_data") or {}
        if run.get("runtime") is not None:
            total += run["runtime"]
            title = html.escape(app.env.titles[name].astext())
            link = f'<a href="{app.builder.get_relative_uri(STATUS, name)}">{title}</a>'
            rows.append((link, f"{run['runtime']:.1f}"))
    rows.append(("All chapters", f"{total:.1f}"))
    pins = (Path(app.srcdir).parent / "requirements.txt").read_text()
    versions = [("Python", platform.python_version())]
    for package in re.findall(r"^([\w.-]+)==", pins, flags=re.MULTILINE):
        versions.append((html.escape(package), metadata.version(package)))
    body = (
        "<section><h1>Versions and execution times</h1>"
        "<p>What the chapters show was computed while this site was built. This is "
        "what computed it, and how long it took. The few tables that were recorded "
        "beforehand name their own versions.</p>"
        "<h2>Seconds for each chapter</h2>"
        + _table(("Chapter", "Seconds"), rows)
        + "<h2>Versions</h2>"
        + _table(("Package", "Version"), versions)
        + "</section>"
    )
    yield STATUS, {"title": "Versions and execution times", "body": body}, "page.html"


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    """Return a table as HTML."""
    head = "".join(f'<th class="head" scope="col">{text}</th>' for text in heads)
    body = "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in rows)
    return (
        '<div class="pst-scrollable-table-container"><table class="table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>Page not found — {title}</title>
<script>
const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => {{
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
}};
dark.addEventListener("change", dress);
dress();
</script>
<style>
:root {{ color-scheme: light; background: #fff; color: #1f2328; }}
:root[data-theme="dark"] {{ color-scheme: dark; background: #121212; color: #e6e8eb; }}
a {{ color: #0f5fcc; }}
:root[data-theme="dark"] a {{ color: #6aa5ff; }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem;
  margin: 15vh auto; padding: 0 1.5rem; }}
form {{ display: flex; flex-wrap: wrap; gap: 0.5rem; }}
input, button {{ font: inherit; padding: 0.3rem 0.6rem; max-width: 100%; }}
</style>
</head>
<body>
<main>
<h1>There is no page here</h1>
<p>The page may have moved. <a href="{base}index.html">{title}</a> starts on its first
page, and the search finds the rest.</p>
<form action="{base}search.html" role="search">
<input type="search" name="q" aria-label="Search the book">
<button>Search the book</button>
</form>
</main>
</body>
</html>
"""


# What the theme and the extensions write and assistive technology stumbles over: a
# side bar that is no landmark, heads of tables without words, a role for a list whose
# items are none.
REPAIRS = (
    (
        '<div id="pst-primary-sidebar" class=',
        '<div id="pst-primary-sidebar" role="complementary" aria-label="Book" class=',
    ),
    ('<th class="head"><p></p></th>', "<td></td>"),
    ('<div role="list" class="citation-list">', '<div class="citation-list">'),
    (' role="doc-biblioentry"', ""),
    # One id for all exercises of a page, and one for all solutions.
    (' id="exercise-content"', ""),
    (' id="solution-content"', ""),
    # In a menu that is closed, the icons can wait.
    ('<img alt="Binder logo" src=', '<img alt="Binder logo" loading="lazy" src='),
    ('<img alt="Colab logo" src=', '<img alt="Colab logo" loading="lazy" src='),
)


def _repair(site: Path) -> None:
    """Put right what templates and extensions write wrong."""
    for path in site.glob("*.html"):
        text = repaired = path.read_text("utf8")
        for wrong, right in REPAIRS:
            repaired = repaired.replace(wrong, right)
        if repaired != text:
            path.write_text(repaired, "utf8")


def _name_chapters(site: Path) -> None:
    """Let the search know chapters by their titles, without number and markup.

    With them no title is the one that is searched, and a chapter found by its title is
    listed twice.
    """
    path = site / "searchindex.js"
    text = path.read_text("utf8")
    number = r'<span class=\\?"section-number\\?">[^<]*</span>'
    path.write_text(re.sub(number, "", text), "utf8")


def _finish(app: Sphinx, failure: Exception | None) -> None:
    """Write the map of the site, the page for wrong addresses, the preview card."""
    if failure is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    _repair(site)
    _name_chapters(site)
    base = app.config.html_baseurl.rstrip("/") + "/"
    # A server answers a wrong address at any depth: only whole paths lead home.
    home = urlsplit(base).path
    (site / "404.html").write_text(
        NOT_FOUND.format(title=html.escape(app.config.html_title), base=base), "utf8"
    )
    pages = [*sorted(app.env.found_docs), STATUS]
    urls = "".join(
        "<url><loc>"
        + html.escape(base + app.builder.get_target_uri(name))
        + "</loc></url>\n"
        for name in pages
        if (site / app.builder.get_target_uri(name)).exists()
    )
    (site / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        "utf8",
    )
    (site / "robots.txt").write_text(
        f"User-agent: *\nAllow: {home}\nSitemap: {base}sitemap.xml\n", "utf8"
    )
    card(site, app.config.html_title).save(site / "_static" / CARD, optimize=True)


def card(site: Path, title: str) -> Image.Image:
    """Return the preview for social networks: the title over the first animation.

    Parameters
    ----------
    site : pathlib.Path
        The folder with the HTML pages.
    title : str
        Of the book.
    """
    found = Image.new("RGB", (1200, 630), "#ffffff")
    draw = ImageDraw.Draw(found)
    draw.rectangle((0, 0, 1200, 150), fill="#10343f")
    bold = font_manager.findfont("DejaVu Sans:bold")
    plain = font_manager.findfont("DejaVu Sans")
    draw.text((48, 22), title, fill="#ffffff", font=ImageFont.truetype(bold, 60))
    words = "Gradient descent for source separation, made visible"
    draw.text((50, 98), words, fill="#bfe6ef", font=ImageFont.truetype(plain, 27))
    text = (site / "index.html").read_text("utf8")
    still = re.search(r'class="film-screen">\s*<img[^>]*?src="([^"]+)"', text)
    if still:
        with Image.open(site / still[1]) as image:
            picture = image.convert("RGB")
        picture.thumbnail((1120, 470))
        found.paste(picture, ((1200 - picture.width) // 2, 155))
    return found.quantize(128, dither=Image.Dither.NONE)


def _weigh_search(app: Sphinx, config: Config) -> None:
    """Let the search weigh its finds as the book wants."""
    # By its whole path: Sphinx looks from wherever the build was started.
    config["html_search_scorer"] = str(Path(__file__).with_name("scorer.js"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", _weigh_search)
    app.connect("html-page-context", _dress, priority=800)
    app.connect("html-collect-pages", _add_status)
    # Before the unused is taken away, and before the gate.
    app.connect("build-finished", _finish, priority=590)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
