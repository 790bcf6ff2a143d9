"""The tables of benchmarks/README.md say what was recorded."""

from collections.abc import Iterator
from pathlib import Path

from descent.recorded import load

README = Path(__file__).parents[2] / "benchmarks" / "README.md"


def rows(program: str) -> Iterator[list[str]]:
    """Yield the cells of a section's table, without its head."""
    section = README.read_text("utf8").split(f"`{program}`\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def says(cell: str, value: float) -> bool:
    """Return whether a cell is a value, rounded to the digits that it has."""
    _, _, digits = cell.partition(".")
    return cell == f"{value:.{len(digits)}f}"


def test_the_cost_of_clipping_is_the_recorded_one():
    result = load("clipping_cost")
    fixed, *others = (result["microseconds"][name] for name in (
        *("fixed threshold", "AutoClip of this book", "plain definition"),
        *("autoclip (PyPI)", "smartclip (PyPI)"),
    ))  # fmt: skip
    table = list(rows("clipping.py"))
    assert [row[0] for row in table] == [f"{n:,}" for n in result["lengths"]]
    for index, (_, *cells) in enumerate(table):
        for cell, taken in zip(cells, others, strict=True):
            assert says(cell, taken[index] / fixed[index]), (cell, index)


def test_the_cost_on_a_gpu_is_the_recorded_one():
    ways = "fixed threshold", "AutoClip", "AutoClip, capturable"
    for how in ("compiled", "captured"):
        ways = *ways, f"fixed threshold, {how}", f"AutoClip, {how}"
    for cells, measured in zip(
        rows("capture.py"), load("capture_cost")["rows"], strict=True
    ):
        assert cells[1] == f"{measured['norms']:,}"
        said = [number for cell in cells[2:] for number in cell.split(", ") if number]
        times = [measured["microseconds"].get(way) for way in ways]
        for number, taken in zip(said, filter(None, times), strict=True):
            assert says(number, taken), (number, taken)
