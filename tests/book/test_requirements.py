"""A reader who installs requirements.txt, and no more, can build the book.

The tests' own environment has more packages than that, so what is missing from
requirements.txt would be missed by nobody here.
"""

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import jupytext
from building import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

OWN = {"descent", "recorder"}
OWN |= {path.stem for path in (ROOT / "book" / "_ext").glob("*.py")}


def imported(code: str) -> Iterator[str]:
    """Yield the packages that a program imports, without its own and Python's."""
    for node in ast.walk(ast.parse(code)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in OWN and top not in sys.stdlib_module_names:
                yield top


def cells(path: Path) -> str:
    """Return the code of a chapter, without what only IPython understands."""
    code = [c.source for c in jupytext.read(path).cells if c.cell_type == "code"]
    return re.sub(r"^\s*[%!].*$", "", "\n".join(code), flags=re.MULTILINE)


def reached(path: Path) -> set[str]:
    """Return all packages that installing a requirements file brings."""
    lines = path.read_text().splitlines()
    todo = [Requirement(line) for line in lines if re.match(r"[A-Za-z]", line)]
    todo += [Requirement(text) for text in metadata.requires("descent") or []]
    found: set[str] = set()
    seen: set[str] = set()
    while todo:
        wanted = todo.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        found.add(canonicalize_name(wanted.name))
        for text in metadata.requires(wanted.name) or []:
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(needed)
    return found


def test_what_the_builder_and_the_chapters_import_is_in_requirements():
    programs = [
        *sorted((ROOT / "src" / "descent").rglob("*.py")),
        *sorted((ROOT / "book" / "_ext").glob("*.py")),
    ]
    sources = {path: path.read_text("utf8") for path in programs}
    for path in sorted((ROOT / "book").glob("*.md")):
        sources[path] = cells(path)
    have = reached(ROOT / "requirements.txt")
    providers = metadata.packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path, code in sources.items()
        for name in imported(code)
        if not {canonicalize_name(p) for p in providers.get(name, [])} & have
    }
    assert missing == set()


def test_what_is_pinned_can_be_installed_by_every_python_that_the_package_admits():
    """Debian 12 has Python 3.11.2; a pin that wants 3.11.5 ends its `make book`."""
    admitted = SpecifierSet(metadata.metadata("descent")["Requires-Python"])
    (oldest,) = (f"{each.version}.0" for each in admitted if each.operator == ">=")
    pins = re.findall(
        r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
    refused = {
        name: wanted
        for name in pins
        if (wanted := wanted_python(name)) and oldest not in SpecifierSet(wanted)
    }
    assert refused == {}


def wanted_python(name: str) -> str | None:
    """Return which Pythons a package admits; nothing if it is not installed here."""
    try:
        return metadata.metadata(name).get("Requires-Python")
    except metadata.PackageNotFoundError:
        return None
