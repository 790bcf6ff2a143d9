"""Formulas as MathML: what is not understood is told, not shown."""

import re

import pytest
from bs4 import BeautifulSoup
from building import ROOT
from fontTools.ttLib import TTFont

from mathematics import to_mathml


def letters(mathml):
    return re.sub(r"<[^>]+>", "", mathml)


LINES = r"a &= b + c , \\ d &= e"


@pytest.mark.parametrize("latex", [LINES, rf"\begin{{aligned}}{LINES}\end{{aligned}}"])
def test_a_formula_of_several_lines_is_a_table_of_aligned_lines(latex):
    found = to_mathml(latex, "block")
    assert found.count("<mtr>") == 2
    assert found.count("<mtd") == 4
    assert "(1)" not in letters(found)  # a number that nothing refers to


@pytest.mark.parametrize("latex", [r"\nosuchcommand x", r"a & b"])
def test_what_is_not_understood_is_an_error(latex):
    with pytest.raises(ValueError, match="formula not understood"):
        to_mathml(latex, "block")


@pytest.mark.parametrize("display", ["inline", "block"])
def test_where_a_formula_stands_is_in_the_markup(display):
    found = to_mathml(r"\lVert g \rVert \le \tau", display)
    assert f'display="{display}"' in found
    assert "τ" in letters(found) or "&#x003C4;" in found


def italic(letter: str) -> str:
    """Return the letter that a browser draws where a variable has one letter."""
    code = ord(letter)
    if letter == "h":
        return "\u210e"  # Planck's constant stands in the place of an italic h
    for first, last, start in (
        ("A", "Z", 0x1D434),
        ("a", "z", 0x1D44E),
        ("α", "ω", 0x1D6FC),
    ):
        if ord(first) <= code <= ord(last):
            return chr(start + code - ord(first))
    return letter


def test_the_books_own_font_has_every_letter_of_every_formula(site):
    with TTFont(ROOT / "book" / "_static" / "math.woff2") as font:
        have = {chr(code) for code in font.getBestCmap()}
    missing = {}
    for path in site.glob("*.html"):
        page = BeautifulSoup(path.read_text("utf8"), "html.parser")
        for element in page.select("math :is(mi, mo, mn, mtext)"):
            text = element.text.strip()
            single = element.name == "mi" and len(text) == 1
            drawn = italic(text) if single else text
            if lacking := set(drawn) - have - set(" \u2061\u00a0"):
                missing[path.name, text] = lacking
    assert missing == {}
