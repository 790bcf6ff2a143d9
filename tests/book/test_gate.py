"""A build stops at whatever a reader would stumble over, and says where it is.

Each test breaks a small book in one way and builds it with the plain command.
"""

import pytest
from building import SmallBook, cell

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

FIGURE_CODE = """from descent.page.figures import new_figure, use_style
use_style()
figure, (ax,) = new_figure()
ax.plot([1, 2]);"""


def test_a_sound_book_passes(small_book):
    small_book.chapter("sound", GOOD_FIGURE, "$\\hat{y} = m x + b$")
    outcome = small_book.build()
    assert outcome.status == 0, outcome.said
    page = small_book.page("sound")
    assert "<math" in page
    assert page.count('src="_images/') == 2, "one picture for light pages, one for dark"


def test_a_failing_cell_stops_the_first_build_and_every_later_one(small_book):
    small_book.chapter("fine", cell("print(1)"))
    small_book.chapter("broken", cell("x = 1"), cell("y = 0\nx / y"), cell("z = 2"))
    for _ in range(2):
        outcome = small_book.build()
        assert outcome.status != 0
        assert "book/broken.md, code cell 2 of 3 failed" in outcome.said
        assert "ZeroDivisionError" in outcome.said
    small_book.chapter("broken", cell("x = 1"))
    assert small_book.build().status == 0


def test_a_cell_that_kills_its_kernel_stops_the_build(small_book):
    small_book.chapter("deadly", cell("import os\nos._exit(1)"))
    outcome = small_book.build()
    assert outcome.status != 0
    assert "book/deadly.md failed" in outcome.said


def test_an_intended_error_passes_when_its_cell_says_so(small_book):
    small_book.chapter("intended", cell(":tags: [raises-exception]\n1 / 0"))
    outcome = small_book.build()
    assert outcome.status == 0, outcome.said
    assert "ZeroDivisionError" in small_book.page("intended")


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
    "no-alt": (
        cell(
            "---\nmystnb:\n  figure: {name: fig-x, caption: Seen.}\n---\n" + FIGURE_CODE
        ),
        "no-alt.html: picture without alt text",
    ),
    "no-caption": (
        cell("---\nmystnb:\n  image: {alt: A line.}\n---\n" + FIGURE_CODE),
        "no-caption.html: picture outside a figure",
    ),
    "no-file": ("![A cat](cat.png)", "no-file.md"),
    "raw-no-file": (
        '<img src="lost.png" alt="Lost">',
        "raw-no-file.html: needs a file that is not there: lost.png",
    ),
    "foreign": (
        '<script src="https://cdn.example.org/x.js"></script>',
        "foreign.html: asks a foreign host: https://cdn.example.org/x.js",
    ),
    "dead-link": (
        '<a href="gone.html">gone</a> <a href="index.html#gone">gone</a>',
        "dead-link.html: dead link: gone.html",
    ),
    "dead-place": (
        '<a href="index.html#gone">gone</a>',
        "dead-place.html: dead link, no such place on the page: index.html#gone",
    ),
    "no-number": ("The loss is {glue:text}`never_glued:.2f`.", "no-number.md"),
    "no-citation": ("As shown by {cite}`nobody1900`.", "nobody1900"),
    "no-term": ("The {term}`frobnication`.", "no-term.md"),
    "no-formula": ("$\\frobnicate{x}$", "no-formula.md"),
}


@pytest.fixture(scope="module")
def defective(tmp_path_factory):
    """Build one book in which every page has another defect."""
    book = SmallBook(tmp_path_factory.mktemp("defective"))
    for name, (text, _) in DEFECTS.items():
        book.chapter(name, text)
    return book.build()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_named_with_its_page(defective, name):
    assert defective.status != 0
    assert DEFECTS[name][1] in defective.said
