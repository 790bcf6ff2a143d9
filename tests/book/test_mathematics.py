"""Formulas as MathML: what is not understood is told, not shown."""

import re

import pytest
from building import ROOT
from docutils import nodes
from fontTools.ttLib import TTFont
from selectolax.lexbor import LexborHTMLParser

from book import SITE
from mathematics import bind, to_mathml


def letters(mathml):
    return re.sub(r"<[^>]+>", "", mathml)


LINES = r"a &= b + c , \\ d &= e"


@pytest.mark.parametrize("latex", [LINES, rf"\begin{{aligned}}{LINES}\end{{aligned}}"])
def test_a_formula_of_several_lines_is_a_table_of_aligned_lines(latex):
    mathml = to_mathml(latex, "block")
    assert mathml.count("<mtr>") == 2
    # By styles, which all browsers follow, in pairs: to the right, to the left.
    sides = re.findall(r"<mtd[^>]*text-align: *(\w+)", mathml)
    assert sides == ["right", "left"] * 2
    assert "(1)" not in letters(mathml)  # a number that nothing refers to


@pytest.mark.parametrize("latex", [r"\nosuchcommand x", r"a & b", r"\frac{1", "x_"])
def test_what_is_not_understood_is_an_error(latex):
    with pytest.raises(ValueError, match="formula not understood") as caught:
        to_mathml(latex, "block")
    assert latex in str(caught.value)


@pytest.mark.parametrize(
    "latex", ["b = -2", "(-1)", "m, -b", r"\alpha \cdot -g", "x^{-1}", r"\le -x"]
)
def test_a_sign_stands_close_to_what_it_signs(latex):
    (sign,) = re.findall(r"<mo[^>]*>(?=[−-]<)", to_mathml(latex, "inline"))
    assert 'lspace="0"' in sign or 'form="prefix"' in sign
    assert 'rspace="0"' in sign or 'form="prefix"' in sign


def test_a_difference_has_space_on_both_sides():
    assert "<mo>−</mo>" in to_mathml("a - b", "inline")


@pytest.mark.parametrize("latex", ["|x|", r"\alpha |x|", r"2 + |x|", r"(|x|)"])
def test_bars_stand_close_to_what_they_enclose(latex):
    bars = re.findall(r"<mo[^>]*>(?=\|<)", to_mathml(latex, "inline"))
    assert len(bars) == 2
    for bar in bars:
        assert ('lspace="0"' in bar and 'rspace="0"' in bar) or "form=" in bar


def test_a_line_over_letters_lies_over_them():
    mathml = to_mathml(r"\overline{|x|}", "inline")
    # Not the low line, which its writer takes for any line.
    assert re.search("<mo[^>]*>\u203e</mo></mover>", mathml)
    assert "\u0332" not in mathml


def test_where_a_formula_stands_is_in_the_markup():
    assert 'display="block"' in to_mathml(r"\tau", "block")
    assert 'display="block"' not in to_mathml(r"\tau", "inline")


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
        page = LexborHTMLParser(path.read_text("utf8"))
        for element in page.css("math :is(mi, mo, mn, mtext)"):
            text = element.text().strip()
            single = element.tag == "mi" and len(text) == 1
            drawn = italic(text) if single else text
            if lacking := set(drawn) - have - set(" \u2061\u00a0"):
                missing[path.name, text] = lacking
    assert missing == {}


def test_a_line_with_a_formula_is_as_high_as_others():
    """Some browsers make lines as high as the font says that it is."""
    with TTFont(ROOT / "book" / "_static" / "math.woff2") as font:
        em, line = font["head"].unitsPerEm, font["hhea"]
        heights = {
            line.ascent - line.descent + line.lineGap,
            font["OS/2"].sTypoAscender - font["OS/2"].sTypoDescender,
            font["OS/2"].usWinAscent + font["OS/2"].usWinDescent,
        }
    # The text's lines have 1.65 times the size of its letters, the formulas' are
    # larger by 1.12.
    assert max(heights) <= 1.65 / 1.12 * em


CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mover": 2, "munder": 2}


@pytest.mark.parametrize("page", sorted(SITE.glob("*.html")), ids=lambda p: p.stem)
def test_parts_of_formulas_have_all_that_belongs_to_them(page):
    html = LexborHTMLParser(page.read_text("utf8"))
    for element in html.css(", ".join(CHILDREN)):
        there = list(element.iter())
        assert len(there) == CHILDREN[str(element.tag)], element.html


@pytest.mark.parametrize(
    ("before", "after", "together"),
    [
        ("the slope ", ", then", "x,"),
        ("(", ").", "(x)."),
        ("of 3 ± ", " or", "± x"),
        ("the “", "” of", "“x”"),
        ("and ", "-axis", "x-"),
    ],
)
def test_a_formula_keeps_the_punctuation_beside_it(before, after, together):
    text = nodes.paragraph("", "", nodes.Text(before), nodes.math("", "x"))
    text += [nodes.Text(after), nodes.math("", "y"), nodes.Text(" ends")]
    whole = text.astext()
    bind(text)
    (box,) = (box for box in text.findall(nodes.inline) if "bound" in box["classes"])
    assert box.astext() == together
    assert text.astext() == whole
