"""Docstrings are a map of the package: complete, in order, and with a way to the book.

The package's own docstring lists the modules of its root, and that of a wing those of
the wing, in the order of who needs whom.
"""

import ast
import importlib
import re
from pathlib import Path

import pytest

import descent
from book import ROOT, numbered_chapters, table_of_contents

FOLDER = Path(descent.__file__).parent
WINGS = ("", "clipping", "music", "page")


def modules(wing: str) -> dict[str, Path]:
    """Return the modules of the root or of a wing, by name."""
    return {
        path.stem if path.is_file() else path.name: path
        for path in (FOLDER / wing).iterdir()
        if (path.suffix == ".py" and path.stem != "__init__")
        or (path / "__init__.py").exists()
    }


def listed(wing: str) -> list[str]:
    """Return the modules that a docstring lists, in its order."""
    package = importlib.import_module(f"descent.{wing}".rstrip("."))
    lines = re.findall("^``.+``$", package.__doc__, re.MULTILINE)
    return [name for line in lines for name in re.findall("``(.+?)``", line)]


def imported(path: Path) -> set[str]:
    """Return the modules of this package that one of them imports, in dotted form."""
    files = path.rglob("*.py") if path.is_dir() else [path]
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("descent.") for name in names if "descent." in name}


def order() -> list[str]:
    """Return all modules, lowest floor first: a wing's where the root lists it."""
    return [
        f"{name}.{inner}" if inner else name
        for name in listed("")
        for inner in ([*listed(name), ""] if name in WINGS else [""])
    ]


ORDER = order()
EVERY = sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("wing", WINGS)
def test_every_module_is_on_the_map_once(wing):
    assert sorted(listed(wing)) == sorted(modules(wing))


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_listed_before_it(name):
    path = FOLDER / name.replace(".", "/")
    path = path if path.is_dir() else path.with_suffix(".py")
    allowed = ORDER[: ORDER.index(name) + 1]
    for other in imported(path):
        assert any(other == a or other.startswith(f"{a}.") for a in allowed), other


@pytest.mark.parametrize("path", EVERY, ids=lambda p: str(p.relative_to(FOLDER)))
def test_a_module_says_last_which_chapter_it_belongs_to(path):
    if path == FOLDER / "__init__.py":
        return
    last = ast.get_docstring(ast.parse(path.read_text("utf8"))).split("\n\n")[-1]
    assert last.startswith("Belongs to ")
    named = re.findall(r":doc:`/([\w-]+)`", last)
    assert named or last.startswith("Belongs to no chapter: ")
    assert set(named) <= {table_of_contents()[0], *numbered_chapters()}


def test_the_api_page_shows_every_module_lowest_floor_first():
    page = (ROOT / "book" / "api.md").read_text("utf8")
    shown = re.findall(r"automodule:: descent\.([\w.]+)", page)
    # What clippers have inside is shown where they are, a wing by its modules.
    inside = [name for name in ORDER if name.startswith("clipping.")]
    expected = [name for name in ORDER if name not in {*inside, "music", "page"}]
    assert [name for name in shown if name in ORDER] == expected
