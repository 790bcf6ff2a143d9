"""A build stops at whatever a reader would stumble over, and says where it is.

Each test breaks a small book in one way and builds it with the plain command.
"""

import json
from pathlib import Path

import pytest
from building import SmallBook, cell
from PIL import Image

from picture_check import lonely_colors, says_nothing
from site_check import add_policy, gaps

GOOD_FIGURE = """```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-good, caption: A line that rises.}
  image: {alt: A straight line from the lower left to the upper right.}
---
from descent.page.figures import new_figure, use_style
use_style()
figure, (ax,) = new_figure()
ax.plot([1, 2]);
```
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Build a book with nothing to complain of."""
    book = SmallBook(tmp_path_factory.mktemp("sound"))
    book.chapter("sound", GOOD_FIGURE, "$\\hat{y} = m x + b$")
    book.chapter("intended", cell(":tags: [raises-exception]\n1 / 0"))
    outcome = book.build()
    assert outcome.status == 0, outcome.said
    return book


def test_a_sound_book_passes(sound):
    page = sound.page("sound")
    assert "<math" in page
    assert page.count('src="_images/') == 2, "one picture for light pages, one for dark"


def test_an_intended_error_passes_when_its_cell_says_so(sound):
    assert "ZeroDivisionError" in sound.page("intended")


def test_a_failing_cell_stops_the_first_build_and_every_later_one(small_book):
    small_book.chapter("fine", cell("print(1)"))
    small_book.chapter("broken", cell("x = 1"), cell("y = 0\nx / y"), cell("z = 2"))
    for _ in range(2):
        outcome = small_book.build()
        assert outcome.status != 0
        assert "book/broken.md, cell 2 of 3 (line " in outcome.said
        assert "ZeroDivisionError" in outcome.said
    small_book.chapter("broken", cell("x = 1"))
    assert small_book.build().status == 0


def test_a_cell_that_kills_its_kernel_stops_the_build(small_book):
    small_book.chapter("deadly", cell("import os\nos._exit(1)"))
    outcome = small_book.build()
    assert outcome.status != 0
    assert "book/deadly.md, cell 1 of 1 (line " in outcome.said


def test_a_warning_stops_every_build_until_it_is_mended(small_book):
    small_book.write("page", "# Page\n\nSee {ref}`nowhere`.\n")
    for _ in range(2):
        outcome = small_book.build()
        assert outcome.status != 0
        assert "page.md:3" in outcome.said
        assert "nowhere" in outcome.said
    small_book.write("page", "# Page\n\nSee {doc}`index`.\n")
    assert small_book.build().status == 0


# Name of the page, its text or its parts, and what the build has to say of it.
DEFECTS = {
    "no-file": ("![A cat on a mat](cat.png)", "no-file.md"),
    "no-citation": ("As shown by {cite}`nobody1900`.", "nobody1900"),
    "no-term": ("The {term}`frobnication`.", "no-term.md"),
    "no-formula": ("$\\frobnicate{x}$", "no-formula.md"),
}

# A line of a page's own HTML, and what is said of it. Each is named with its line.
LINES = {
    '<script src="https://cdn.example.org/x.js"></script>': (
        "asks another host, in script src: https://cdn.example.org/x.js"
    ),
    '<img src="lost.png" alt="A lost picture">': (
        "needs a file, which is not there: lost.png"
    ),
    '<a href="gone.html">gone</a>': "dead link, which is not there: gone.html",
    '<a href="Index.html">other letters</a>': (
        "dead link, which is spelled otherwise: index.html: Index.html"
    ),
    '<a href="_static/">a folder</a>': (
        "dead link, which is a folder without a page of its own: _static/"
    ),
    '<a href="/index.html">from the root</a>': (
        "dead link, which starts at the root of the host"
    ),
    '<a href="../up.html">up</a>': "dead link, which leads out of the book: ../up.html",
    '<a href="index.html#late">a place that a script makes</a>': (
        "dead link, no such place on the page"
    ),
    '<a href="javascript:void(0)">run</a>': (
        "asks another host, in a href: javascript:void(0)"
    ),
    '<label for="nothing">?</label>': "no such id on the page, in label for: nothing",
    '<i id="twice"></i><i id="twice"></i>': "2 elements with one id: twice",
    '<img src="_static/logo.svg" alt="The logo" width="0" class="dark-light">': (
        "picture of no width: _static/logo.svg"
    ),
}

STYLE = """from descent.page.figures import new_figure, use_style
use_style()"""
DRAW = "figure, (ax,) = new_figure()\nax.plot([1, 2]);"
WORDS = ("A rising line, drawn once.", "A line from the lower left to the upper right.")


def drawn(caption: str | None, alt: str | None, code: str = DRAW) -> str:
    """Return a cell with a figure, with or without words."""
    figure = (
        "" if caption is None else f"\n  figure: {{caption: {json.dumps(caption)}}}"
    )
    image = "" if alt is None else f"\n  image: {{alt: {json.dumps(alt)}}}"
    head = f"---\nmystnb:{figure}{image}\n---\n" if figure or image else ""
    return cell(head + code)


# A cell, and what is said of its picture. Each is named with its line and number.
PICTURES = [
    (drawn(WORDS[0], None), "without alternative text (got none)"),
    (drawn(WORDS[0], " "), "without alternative text (got none)"),
    (drawn(WORDS[0], "\u00a0"), "without alternative text (got none)"),
    (drawn(WORDS[0], "Figure 3: the plot."), "text (got 'Figure 3: the plot.')"),
    (drawn(None, WORDS[1]), "without a caption (got none)"),
    (drawn("Figure", WORDS[1]), "without a caption (got 'Figure')"),
    (drawn(WORDS[0], WORDS[0]), "whose alternative text is its caption"),
    (drawn(*WORDS, DRAW.replace("2]", "2], 'r'")), "dark pages: #ff0000"),
    (drawn(*WORDS, "figure, (ax,) = new_figure()\nax.axvspan(0, 1, color='k');"),
     "dark pages: #000000, black, as the default"),
    (drawn(*WORDS, "figure, (ax,) = new_figure()\n"
           "ax.imshow([[0, 1], [2, 3]], cmap='magma');"), "in a picture within"),
    (drawn(*WORDS, """from descent.page.animation import animate
figure, (ax,) = new_figure()
(line,) = ax.plot([], [], color="magenta", lw=20, animated=True)
animate(figure, lambda i: line.set_data([-1, 1], [i / 100, 0]), 3)"""),
     "a picture in colors without a partner for dark pages: #f"),
    (cell("from IPython.display import HTML\nHTML('<img src=_static/logo.svg>')"),
     "a picture without alternative text: _static/logo.svg"),
    (cell("HTML('<svg aria-label=Dot><circle r=1 fill=red></svg>')"),
     "in a color that is the same on dark pages: red"),
    (drawn(*WORDS, "from matplotlib_inline.backend_inline import "
           "set_matplotlib_formats\nset_matplotlib_formats('png')\n" + DRAW),
     "in a format without a partner for dark pages: png"),
]  # fmt: skip


@pytest.fixture(scope="module")
def defective(tmp_path_factory):
    """Build one book in which every page has another defect."""
    book = SmallBook(tmp_path_factory.mktemp("defective"))
    for name, (text, _) in DEFECTS.items():
        book.write(name, f"# Page\n\n{text}\n")
    lines = "\n\n".join(LINES)
    script = '<script>document.body.innerHTML += "<i id=late></i>"</script>'
    book.write("lines", f"# Lines\n\n{lines}\n")
    book.write("index", f"# A small book\n\n{script}\n")
    book.chapter("pictures", cell(STYLE), *(text for text, _ in PICTURES))
    Image.new("RGB", (9, 9)).save(book.book / "dot.png")
    book.write("prose", "# Prose\n\nText.\n\n![ ](dot.png)\n")
    return book, book.build()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named_with_its_page(defective, name):
    _, outcome = defective
    assert outcome.status != 0
    assert DEFECTS[name][1] in outcome.said


def line_of(book: SmallBook, page: str, text: str) -> int:
    """Return the line of a page that a text stands in."""
    source = (book.book / f"{page}.md").read_text("utf8")
    return source[: source.index(text)].count("\n") + 1


@pytest.mark.parametrize("text", LINES)
def test_a_defect_is_named_with_its_line(defective, text):
    book, outcome = defective
    line = line_of(book, "lines", text)
    assert f"book/lines.md:{line}: lines.html: {LINES[text]}" in outcome.said


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_a_picture_that_lacks_something_is_named_with_its_cell(defective, number):
    book, outcome = defective
    text, what = PICTURES[number]
    where = (
        f"book/pictures.md:{line_of(book, 'pictures', text)}, code cell {number + 2}"
    )
    said = [line for line in outcome.said.splitlines() if f"{where}: a" in line]
    assert any(what in line for line in said), said


def test_a_picture_in_prose_is_named_with_its_line(defective):
    _, outcome = defective
    for what in ("alternative text", "a caption", "a partner for dark pages"):
        assert f"book/prose.md:5: a picture without {what}" in outcome.said


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u00a0\u200b", "...", "figure", "Figure 12", "image.png", "An image",
      "TODO", "abc-light", "abc.svg"],
)  # fmt: skip
def test_words_that_tell_nothing(text):
    assert says_nothing(text, "abc-light.svg" if "light" in text else "abc.svg")


@pytest.mark.parametrize("text", ["A line", "Loss over steps", "Verlust, der fällt"])
def test_words_that_tell_something(text):
    assert not says_nothing(text, "abc.svg")


SVG = '<svg xmlns="http://www.w3.org/2000/svg">{}</svg>'


@pytest.mark.parametrize(
    ("drawing", "colors"),
    [
        ('<path d="M0 0" fill="#1F2328"/>', []),
        ('<path d="M0 0" style="fill: none; stroke: #c4500c"/>', []),
        ('<path d="M0 0" fill="#440154"/>', []),
        ('<defs><path id="a"/></defs><g fill="#0072b2"><use href="#a"/></g>', []),
        ('<clipPath><rect width="1"/></clipPath>', []),
        ('<path d="M0 0"/>', ["black, as the default"]),
        ('<defs><path id="a"/></defs><use href="#a"/>', ["black, as the default"]),
        ('<path d="M0 0" fill="red"/>', ["red"]),
        ('<path d="M0 0" fill="rgb(196, 80, 12)"/>', ["rgb(196, 80, 12)"]),
        ('<path d="M0 0" fill="#fff"/>', ["#fff"]),
        ('<style>path {stroke: #123456}</style>', ["#123456"]),
        ('<stop stop-color="#00ff00"/>', ["#00ff00"]),
    ],
)  # fmt: skip
def test_colors_without_a_partner(drawing, colors):
    assert lonely_colors(SVG.format(drawing)) == colors


GOOD_PAGE = (
    '<!DOCTYPE html><html><head><link rel="icon" href="icon.png"></head>'
    '<body><p id="here">{}</p></body></html>'
)


def said_of(folder: Path, body: str, page: str = GOOD_PAGE) -> list[str]:
    """Return what is said of a site of one page."""
    Image.new("RGB", (9, 9)).save(folder / "icon.png")
    (folder / "index.html").write_text(page.replace("{}", body), "utf8")
    add_policy(folder, "")
    return [what for _, what, _ in gaps(folder)]


def test_a_sound_site_has_no_gap(tmp_path):
    body = '<a href="index.html#here">here</a> <a href="#">up</a> <img src="icon.png" '
    assert said_of(tmp_path, body + 'alt="A dot" srcset="icon.png 1x">') == []


def test_a_page_without_an_icon_is_refused(tmp_path):
    said = said_of(tmp_path, "", GOOD_PAGE.replace("icon", "stylesheet", 1))
    assert any("without an icon" in what for what in said)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('<a href="">x</a>', "an address is empty: a href"),
        ('<a href=" ">x</a>', "an address is empty: a href"),
        ('<a href="#%20">x</a>', "no such place"),
        ('<img src="icon.png" alt="A dot" height="0px">', "picture of no height"),
        ('<img src="icon.png">', "picture without alt text"),
        ('<img src="icon.png" alt="A dot" srcset="icon.png 1x, b.png 2x">', "b.png"),
        ('<video poster="b.png"></video>', "needs a file, which is not there: b.png"),
        ('<a href="ICON.PNG">x</a>', "spelled otherwise: icon.png"),
        ('<p id="here">x</p>', "2 elements with one id: here"),
        ('<i aria-describedby="here there">x</i>', "aria-describedby: there"),
    ],
)
def test_a_gap_of_a_page(tmp_path, body, what):
    assert any(what in said for said in said_of(tmp_path, body))


def test_a_page_whose_policy_comes_too_late_is_refused(tmp_path):
    said_of(tmp_path, "")
    page = (tmp_path / "index.html").read_text("utf8")
    late = page.replace("<head>", '<head><script src="icon.png"></script>')
    (tmp_path / "index.html").write_text(late, "utf8")
    assert any("without the policy" in what for _, what, _ in gaps(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("empty.png", b"", "not a picture that can be shown"),
        ("half.gif", b"GIF89a", "not a picture that can be shown"),
        ("a.css", b"p{background:url(lost.png)}", "which is not there: lost.png"),
        ("a.unknown", b"", "of a kind that is not read"),
        ("a.html", "<p>x".encode("utf-16"), "not in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_right(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    if name.endswith(".html"):
        said = [said for _, said, _ in gaps(tmp_path)]
    else:
        said = said_of(tmp_path, "")
    assert any(what in line for line in said), said
