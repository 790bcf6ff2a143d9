"""Programs in processes of their own, forked from one that has the libraries loaded.

To load the libraries takes far longer than what these programs do.
"""

import multiprocessing
import os
import runpy
import sys
from multiprocessing.forkserver import _forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")


def preload(*libraries: str) -> None:
    """Let processes that are started from now on have these libraries loaded."""
    _forkserver._stop()  # the one that has what another file of tests asked for
    CONTEXT.set_forkserver_preload([*libraries])


def start(program: Path, *arguments: object, folder: Path) -> BaseProcess:
    """Start a program in a folder, where ``said.txt`` gets what it says."""
    words = [str(program), *map(str, arguments)]
    process = CONTEXT.Process(
        target=_main, args=(words, folder, dict(os.environ)), daemon=True
    )
    process.start()
    return process


def heard(process: BaseProcess, folder: Path) -> str:
    """Wait for a program and return what it said; fail with that if it failed."""
    process.join()
    said = (folder / "said.txt").read_text()
    assert process.exitcode == 0, said
    return said


def run(program: Path, *arguments: object, folder: Path) -> str:
    """Run a program and return what it said."""
    return heard(start(program, *arguments, folder=folder), folder)


def _main(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    with Path("said.txt").open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
