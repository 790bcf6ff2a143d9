"""Notebooks of small books: what the text and the hidden cells of a page become."""

import ast

import nbformat
import pytest
from building import SmallBook, cell

from notebook_cells import needed
from notebook_text import Place

HIDDEN, SHOWN = True, False


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        pytest.param(
            [("x = 0\nfor i in (1, 2):\n    x += i", HIDDEN), ("print(x)", SHOWN)],
            ["x = 0\nfor i in (1, 2):\n    x += i", "print(x)"],
            id="what is added to stays with its beginning",
        ),
        pytest.param(
            [("x = 1\nglue(x=x)\nassert x == 1", HIDDEN), ("print(x)", SHOWN)],
            ["x = 1", "print(x)"],
            id="what is used stays, without what is for the page",
        ),
        pytest.param(
            [("y = solve()\nglue(y=y)", HIDDEN), ("y = 2\nprint(y)", SHOWN)],
            ["", "y = 2\nprint(y)"],
            id="what is made anew is not needed",
        ),
        pytest.param(
            [
                ("def f():\n    return g()\ndef g():\n    return 1", HIDDEN),
                ("f()", SHOWN),
            ],
            ["def f():\n    return g()\ndef g():\n    return 1", "f()"],
            id="what a needed function needs stays",
        ),
        pytest.param(
            [("def f(): return late", SHOWN), ("late = 1", HIDDEN), ("f()", SHOWN)],
            ["def f(): return late", "late = 1", "f()"],
            id="a function needs a name when it is called",
        ),
        pytest.param(
            [("log, n = [], 0\nlog.append(1)", HIDDEN), ("log[0]", SHOWN)],
            ["log, n = [], 0\nlog.append(1)", "log[0]"],
            id="what changes an object is needed with it",
        ),
        pytest.param(
            [("for k in (1, 2):\n    glue(**{f'a{k}': k})", HIDDEN), ("k = 0", SHOWN)],
            ["", "k = 0"],
            id="a loop that hands over is for the page",
        ),
        pytest.param(
            [("n = 3", HIDDEN), ("%time sum(range(n))", SHOWN), ("n", SHOWN)],
            ["n = 3", "%time sum(range(n))", "n"],
            id="lines of IPython stay as they are",
        ),
        pytest.param(
            [("rows = [1]", HIDDEN), ("[row for row in rows]", SHOWN)],
            ["rows = [1]", "[row for row in rows]"],
            id="a comprehension reads where it stands",
        ),
        pytest.param(
            [("@cache\ndef f(): ...", HIDDEN), ("f()", SHOWN)],
            ["@cache\ndef f(): ...", "f()"],
            id="a decorator belongs to its function",
        ),
    ],
)
def test_of_hidden_cells_only_what_is_needed_stays(cells, kept):
    assert needed(cells) == kept


def test_links_lead_to_notebooks_or_to_the_site():
    place = Place("line", "https://book.org/", frozenset({"line", "loss"}))
    assert place.leads_to("loss.html#ch-loss") == "loss.ipynb"
    assert place.leads_to("glossary.html#term-x") == (
        "https://book.org/glossary.html#term-x"
    )
    assert place.leads_to("#fig-line") is None
    assert place.leads_to("line.html#fig-line") is None


TEXT = r"""
:::{note}
A note with $a > b$ and

$$
a > b
$$ (eq-order)

inside, which costs \$5 in \<brackets> and \*stars\*.
:::

:::{admonition} You are looking at the source
:class: source-only
Not for pages.
:::

Glued: {glue:text}`below:.1f` dB, not {glue:text}`above:+.1f`; {glue:text}`tiny:.0e`.

See {eq}`eq-order`, `` a`b `` and **bold {ref}`words <ch-there>`**.

| one | other |
| --- | --- |
| `a \| b` | $\|x\|$ |

- a list

  ```python
  with_code = 1
  ```

Word
: Its meaning.

```{literalinclude} ../src/descent/fact.py
:language: python
```

```{exercise} Think
:label: think
Why?
```

```{hint}
:class: dropdown
Ask *yourself*.
```

````{solution} think
:class: dropdown
Because $x_1 = x_2$.
````
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> SmallBook:
    """Return a built book in which a chapter has a bit of everything."""
    book = SmallBook(tmp_path_factory.mktemp("book"))
    book.chapter("there", "(ch-there)=\n## There", cell("1 + 1"))
    book.chapter("untold", cell("2 + 2"))
    book.chapter(
        "here",
        TEXT,
        cell(":tags: [remove-cell]\nsecret = 41\nspare = 2\nassert secret == 41"),
        cell(":tags: [hide-input]\nprint(secret)"),
        cell(
            ":tags: [remove-cell]\nfrom descent.page.prose import glue\n"
            "glue(below=-0.94, above=2.0, tiny=1e-5)"
        ),
    )
    outcome = book.build()
    assert outcome.status == 0, outcome.said
    return book


@pytest.fixture(scope="module")
def notebook(book: SmallBook) -> nbformat.NotebookNode:
    """Return the notebook of that chapter."""
    path = book.book / "_build" / "notebooks" / "here.ipynb"
    return nbformat.read(path, as_version=4)


def test_a_page_becomes_plain_markdown(book: SmallBook, notebook):
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for part in (
        # In one line, so that no sign of the quotation gets into it.
        "> **Note**\n>",
        "> A note with $a > b$ and",
        "> $$a > b \\tag{1}$$",
        r"costs \$5 in &lt;brackets> and \*stars\*",
        "``a`b``",
        "**bold [words](there.ipynb)**",
        "Glued: \N{MINUS SIGN}0.9 dB, not +2.0; 1e-05.",
        r"`a \| b`",
        r"| $\vert x\vert $ |",
        "|\n\n- a list\n\n  ```python\n  with_code = 1\n  ```",
        "**Word**\n\nIts meaning.",
        "```python\nanswer = 41\n```",
        "### Exercise 1 (Think)\n\nWhy?",
        "<details>\n<summary><b>Hint</b></summary>\n\nAsk *yourself*.\n\n</details>",
        "<details>\n<summary><b>Solution to Exercise 1 (Think)</b></summary>\n\n"
        "Because $x_1 = x_2$.\n\n</details>",
    ):
        assert part in text, f"{part}\n--- is not in ---\n{text}"
    assert "\N{MINUS SIGN}0.9</span> dB" in book.page("here")
    assert "You are looking at the source" not in text
    assert "Not for pages" not in book.page("here")


def test_cells_of_a_page_in_its_notebook(notebook):
    install, hidden, folded = (c for c in notebook.cells if c.cell_type == "code")
    assert install.id == "install"
    assert hidden.source == "# @title What the next cell needs\nsecret = 41;"
    assert folded.outputs[0].text == "41\n"
    for code in (install, hidden, folded):
        assert code.metadata.jupyter.source_hidden
    ast.parse(hidden.source)


def test_a_page_that_loses_its_cells_loses_its_notebook(book: SmallBook):
    folder = book.book / "_build" / "notebooks"
    assert {path.stem for path in folder.glob("*.ipynb")} == {"here", "there", "untold"}
    before = (folder / "here.ipynb").read_bytes()

    book.write("untold", "# Only words\n")
    assert book.build().status == 0
    assert {path.stem for path in folder.glob("*.ipynb")} == {"here", "there"}
    assert {p.stem for p in (book.html / "notebooks").glob("*")} == {"here", "there"}
    # The same chapter, the same bytes.
    assert (folder / "here.ipynb").read_bytes() == before
