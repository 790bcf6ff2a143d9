"""No word of the glossary is used before it is explained, unless it leads there.

Every entry ends with the chapter that explains its word. In the chapters before that
one the word's first use must be a link to its entry.
"""

import re
from pathlib import Path

import pytest
import yaml

BOOK = Path(__file__).parents[2] / "book"
TOC = yaml.safe_load((BOOK / "_toc.yml").read_text("utf8"))
CHAPTERS = [chapter["file"] for chapter in TOC["parts"][0]["chapters"]]


def entries() -> dict[str, str]:
    """Return the chapter that explains each word of the glossary."""
    text = (BOOK / "glossary.md").read_text("utf8")
    body = text[text.index("```{glossary}\n") + 14 : text.rindex("```")]
    explained = {}
    for entry in re.split(r"\n\n(?=\S)", body.strip()):
        word, _, definition = entry.partition("\n")
        chapter = re.search(r"Explained in \{ref\}`ch-([\w-]+)`\.$", definition.strip())
        explained[word] = chapter[1] if chapter else ""
    return explained


def prose(chapter: str) -> str:
    """Return a chapter's text without code, front matter, formulas and glue names."""
    text = (BOOK / f"{chapter}.md").read_text("utf8")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^(`{3,}|:::).*$\n?", "\n", _without_cells(text), flags=re.MULTILINE)
    text = re.sub(r"^:\w[\w-]*:.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    # Only the links to the glossary are left; code, numbers and other links are not
    # uses of a word.
    return re.sub(
        r"(\{term\}`[^`]*`)|\{[\w:-]+\}`[^`]*`|`[^`\n]+`",
        lambda match: match[1] or " ",
        text,
    )


def _without_cells(text: str) -> str:
    text = re.sub(
        r"^```\{code-cell\}.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(
        r"^```(python|sh)\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE
    )


def first_use(word: str, text: str) -> str | None:
    """Return what stands around a word's first use, if it is no link."""
    link = re.compile(rf"\{{term\}}`(?:[^`<]*<)?{re.escape(word)}>?`", re.IGNORECASE)
    linked = link.search(text)
    # Inside the link of another term (a "loss" in "L1 loss") it is no use of its own.
    plain = re.sub(r"\{term\}`[^`]*`", lambda match: " " * len(match[0]), text)
    used = re.search(rf"\b{re.escape(word)}(?:s|es)?\b", plain, re.IGNORECASE)
    if used is None or (linked and linked.start() < used.start()):
        return None
    return plain[max(0, used.start() - 50) : used.end() + 30].replace("\n", " ")


def test_every_word_says_which_chapter_explains_it():
    for word, chapter in entries().items():
        assert chapter in CHAPTERS, word
        # Its stem: a chapter may converge without speaking of convergence.
        stem = re.escape(word[: max(5, len(word) - 4)])
        assert re.search(stem, prose(chapter), re.IGNORECASE), (word, chapter)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_word_is_used_before_it_is_explained(chapter):
    text = prose(chapter)
    early = {
        word: use
        for word, where in entries().items()
        if CHAPTERS.index(chapter) < CHAPTERS.index(where)
        and (use := first_use(word, text))
    }
    assert early == {}


def symbols() -> list[tuple[list[str], list[str]]]:
    """Return the rows of the table of symbols: the symbols, and where they begin."""
    text = (BOOK / "glossary.md").read_text("utf8")
    table = text[text.index("## Symbols") : text.index("## Words")]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| $")]
    return [
        (re.findall(r"\$([^$]+)\$", first), re.findall(r"`ch-([\w-]+)`", last))
        for first, *_, last in rows
    ]


@pytest.mark.parametrize(("written", "chapters"), symbols())
def test_a_symbol_is_used_in_the_chapter_where_it_begins(written, chapters):
    for symbol in written:
        # A letter stands alone: the b of \\beta and of b_2 are two things.
        alone = rf"(?<![\\A-Za-z]){re.escape(symbol)}(?![A-Za-z])"
        for chapter in chapters:
            text = (BOOK / f"{chapter}.md").read_text("utf8")
            formulas = re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", text, re.DOTALL)
            assert any(re.search(alone, f) for f in formulas), (symbol, chapter)


def test_the_table_of_symbols_has_every_greek_letter_of_the_chapters():
    known = " ".join(s for written, _ in symbols() for s in written)
    for chapter in CHAPTERS:
        text = _without_cells((BOOK / f"{chapter}.md").read_text("utf8"))
        for formula in re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", text, re.DOTALL):
            for letter in re.findall(
                r"\\(alpha|beta|gamma|delta|(?:var)?epsilon|eta|theta|lambda|mu|rho|sigma|tau)\b",
                formula,
            ):
                assert f"\\{letter}" in known, (letter, chapter, formula)
