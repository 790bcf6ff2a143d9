"""Formulas as MathML: what is not understood is told, not shown."""

import re

import pytest

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
