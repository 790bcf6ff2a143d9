"""How formulas are set in a browser, measured."""

# Of those within lines that are not built up: in heights of the line.
HEIGHTS_OF_FORMULAS = """document.fonts.ready.then(() =>
    [...document.querySelectorAll("article p > math")]
    .filter(math => math.getClientRects().length && !math.querySelector(
        "mfrac, munder, munderover, msqrt, mtable"))
    .map(math => math.getBoundingClientRect().height
        / parseFloat(getComputedStyle(math.parentElement).lineHeight)))"""
# A hat or an exponent may need a little more than a line has.
ONE_LINE = 1.2

# Of formulas of several lines: where the first sign of each second column begins.
PLACES_OF_SIGNS = """document.fonts.ready.then(() =>
    [...document.querySelectorAll("article mtable")].map(table =>
        [...table.querySelectorAll("mtr > mtd:nth-child(2) > mo:first-child")]
        .map(sign => sign.getBoundingClientRect().left)))"""


def assert_aligned(tables: list[list[float]]) -> None:
    """Assert that each formula's signs stand below one another."""
    assert tables
    for places in tables:
        assert len(places) > 1
        assert max(places) - min(places) < 1
