"""The package's docstring is a map: complete, and in the order of who needs whom."""

import ast
import re
from pathlib import Path

import pytest

import descent

FOLDER = Path(descent.__file__).parent
MODULES = {
    path.stem if path.is_file() else path.name: path
    for path in FOLDER.iterdir()
    if (path.suffix == ".py" and path.stem != "__init__")
    or (path / "__init__.py").exists()
}
LISTED = [
    name
    for line in re.findall("^``.+``$", descent.__doc__, re.MULTILINE)
    for name in re.findall("``(.+?)``", line)
]


def imported(path: Path) -> set[str]:
    """Return the modules of this package that one of them imports, anywhere in it."""
    files = path.rglob("*.py") if path.is_dir() else [path]
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "descent":
                names = [f"descent.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found |= {n.split(".")[1] for n in names if n.startswith("descent.")}
    return found - {path.stem}


def test_every_module_is_on_the_map_once():
    assert sorted(LISTED) == sorted(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_those_listed_before_it(name):
    assert imported(MODULES[name]) <= set(LISTED[: LISTED.index(name)])
