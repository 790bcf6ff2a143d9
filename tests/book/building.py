"""Small books, with the real machinery, to be built and broken."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from forks import Fork, server

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "book" / "_build"

FRONT_MATTER = """---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""


def cell(code: str) -> str:
    """Return a code cell as MyST."""
    return f"```{{code-cell}} ipython3\n{code}\n```\n"


@dataclass
class Outcome:
    """How a build ended."""

    status: int
    said: str

    def ran(self, chapter: str) -> bool:
        """Return whether the chapter's cells were executed in this build."""
        return f"{chapter}.md: Executing notebook" in self.said


class SmallBook:
    """A repository with a book of a few tiny chapters and the real machinery."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.book = root / "book"
        self.html = self.book / "_build" / "html"
        self.said = root / "said"
        for name in ("_ext", "_static", "_templates"):
            shutil.copytree(ROOT / "book" / name, self.book / name)
        for name in (
            *("_config.yml", "requirements.txt", "constraints.txt"),
            *("pyproject.toml", "LICENSE"),
        ):
            shutil.copy(ROOT / name, root)
        shutil.copytree(ROOT / "binder", root / "binder")
        (self.book / "_config.yml").symlink_to("../_config.yml")
        (self.book / "_toc.yml").symlink_to("../_toc.yml")
        for name in ("references.bib", "status.md"):
            shutil.copy(ROOT / "book" / name, self.book)
        # A package of the book's name, of which the chapters use one module.
        # The parts that the extensions themselves need are the real ones.
        shutil.copytree(ROOT / "src" / "descent", root / "src" / "descent")
        (root / "src" / "descent" / "fact.py").write_text("answer = 41\n")
        (root / "experiments").mkdir()
        (root / "experiments" / "measured.csv").write_text("7\n")
        # Style sheets are taken apart already, unless they or what does it changed.
        styles = self.book / "_build" / ".styles"
        styles.mkdir(parents=True)
        for parts in (BUILD / ".styles").glob("*.parts"):
            shutil.copy(parts, styles)
        self.write("index", "# A small book\n")

    def write(self, name: str, text: str) -> None:
        """Write a page, and list it (after the first) in the table of contents."""
        (self.book / f"{name}.md").write_text(text, "utf8")
        self._list()

    def remove(self, name: str) -> None:
        """Take a page out of the book."""
        (self.book / f"{name}.md").unlink()
        self._list()

    def _list(self) -> None:
        """Write the table of contents."""
        names = sorted(path.stem for path in self.book.glob("*.md"))
        chapters = "".join(f"- file: {n}\n" for n in names if n != "index")
        toc = "format: jb-book\nroot: index\n"
        toc += f"chapters:\n{chapters}" if chapters else ""
        (self.root / "_toc.yml").write_text(toc)

    def chapter(self, name: str, *parts: str) -> None:
        """Write a chapter with cells."""
        self.write(name, FRONT_MATTER + f"\n# Chapter {name}\n\n" + "\n".join(parts))

    def command(self) -> tuple[list[str], dict[str, object]]:
        """Return the book's own build command, and where it is to run."""
        program = Path(sys.executable).with_name("jupyter-book")
        environment = {**os.environ, "PYTHONPATH": str(self.root / "src")}
        # A kernel that sees it does not listen to what C writes.
        environment.pop("PYTEST_CURRENT_TEST", None)
        return [str(program), "build", "book"], {
            "cwd": str(self.root),
            "env": environment,
        }

    def begin(self) -> Fork:
        """Begin to build the book, in a fork."""
        command, options = self.command()
        options |= {"command": command, "kernels": server("kernel")}
        with self.said.open("wb") as file:
            return Fork(server("build"), [file.fileno()] * 2, **options)

    def build(self) -> Outcome:
        """Build the book, in a fork."""
        status = self.begin().wait()
        said = self.said.read_text("utf8", errors="replace")
        return Outcome(status, re.sub(r"\x1b\[[\d;]*m", "", said))

    def page(self, name: str) -> str:
        """Return a built page."""
        return (self.html / f"{name}.html").read_text("utf8")
