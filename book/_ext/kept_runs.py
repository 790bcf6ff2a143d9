"""Executed chapters, kept under what they depended on.

Each run of a chapter leaves one file: its cells' outputs, how long it took and how much
memory, and the manifest of what it read (`dependencies`). A run stands for the chapter
as long as cells and manifest are what they were; the last few are kept, so going back
to another branch costs no run. A file is named after the hash of its own content: one
that was damaged is not taken.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode

from dependencies import Manifest, changes
from descent.files import replacing

# How many runs of a chapter are kept.
KEPT = 3

# Tags that change what a cell does, and not only how it is shown.
_TAGS = ("raises-exception", "shows-warnings", "skip-execution")


class Run(NamedTuple):
    """One execution of a chapter.

    Attributes
    ----------
    cells : str
        The digest of the cells that ran.
    seconds : float
        How long it took.
    memory : int
        The most that the kernel and its children used at once, in bytes.
    when : float
        The time of the run, as a POSIX time stamp.
    language : dict
        What the kernel says of its language.
    outputs : list of dict
        For each code cell its outputs and its number.
    manifest : Manifest
        What it depended on.
    """

    cells: str
    seconds: float
    memory: int
    when: float
    language: dict[str, Any]
    outputs: list[dict[str, Any]]
    manifest: Manifest


def cells_digest(notebook: NotebookNode) -> str:
    """Return a hash of what a chapter's cells do: prose and looks do not count.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The chapter.
    """
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    code: list[Any] = [kernel, notebook.metadata.get("execution")]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            code.append([cell.source, [tag for tag in _TAGS if tag in tags]])
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


class KeptRuns:
    """The runs that a folder holds, of all chapters.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it is made when something is kept.
    root : pathlib.Path
        The repository, to which paths in manifests are relative.
    now : dict of str to str
        The versions of today (`dependencies.versions`).
    """

    def __init__(self, folder: Path, root: Path, now: dict[str, str]) -> None:
        self.folder = folder
        self.root = root
        self.now = now

    def of_chapter(self, name: str) -> list[Path]:
        """Return the files of a chapter's runs, the one used last first."""
        files = (self.folder / name).glob("*.json")
        return sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)

    def standing(self, name: str, cells: str) -> tuple[str, Run] | None:
        """Return the run that stands for a chapter as it is now, with its name.

        Parameters
        ----------
        name : str
            The chapter.
        cells : str
            What `cells_digest` gives for it.
        """
        for file in self.of_chapter(name):
            run = read(file)
            if run is None:
                file.unlink()
            elif run.cells == cells and not changes(self.root, run.manifest, self.now):
                file.touch()
                return file.stem, run
        return None

    def why_none_stands(self, name: str, cells: str) -> str:
        """Return why a chapter has to run, for those who wait for it.

        Parameters
        ----------
        name, cells
            As `standing` takes them.
        """
        for file in self.of_chapter(name):
            run = read(file)
            if run is not None and run.cells == cells:
                return f"changed: {changes(self.root, run.manifest, self.now)}"
        return "its cells are new"

    def keep(self, name: str, run: Run) -> str:
        """Keep a run, and no more than a few of its chapter; return its name.

        Parameters
        ----------
        name : str
            The chapter.
        run : Run
            What is to be kept.
        """
        text = json.dumps(run._asdict(), default=_plain).encode("utf8", "surrogatepass")
        digest = hashlib.sha256(text).hexdigest()
        file = self.folder / name / f"{digest}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as written:
            written.write(text)
        for old in self.of_chapter(name)[KEPT:]:
            old.unlink()
        return digest


def read(file: Path) -> Run | None:
    """Return a run from its file; nothing if the file is not what was written.

    Parameters
    ----------
    file : pathlib.Path
        The file.
    """
    text = file.read_bytes()
    if hashlib.sha256(text).hexdigest() != file.stem:
        return None
    return Run(**json.loads(text))


def _plain(value: Any) -> Any:
    """Return bytes as the text that they are in a notebook."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    raise TypeError(f"an output cannot hold {type(value).__name__}")
