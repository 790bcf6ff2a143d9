"""Builds one book after the other, each in a fork that has the libraries loaded.

What a small book takes to build is mostly the loading of Sphinx and what it brings. A
fork is that of a Python that has run nothing: no extension of the book is loaded yet,
nor anything of its package. It then does what the command `jupyter-book build book`
does, in the folder and the environment that a line on standard input names.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

LIBRARIES = (
    "jupyter_book.cli.main",
    "jupyter_book.sphinx",
    "bs4",
    "jupyter_cache",
    "jupytext",
    "matplotlib.figure",
    "matplotlib.pyplot",
    "myst_nb.core.execute",
    "myst_nb.sphinx_ext",
    "nbclient",
    "nbconvert",
    "pydata_sphinx_theme",
    "sphinx.builders.html",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_book_theme",
    "sphinx_exercise",
    "sphinx_markdown_builder",
    "sphinxcontrib.bibtex",
    "tinycss2",
    "zmq",
)


def become(order: dict[str, object]) -> None:
    """Turn this process into the command's."""
    with Path(order["out"]).open("wb") as out, Path(os.devnull).open("rb") as nothing:
        for descriptor, file in enumerate((nothing, out, out)):
            os.dup2(file.fileno(), descriptor)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[:0] = order["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = order["command"]


def main() -> None:
    """Obey until standard input ends."""
    for name in LIBRARIES:
        import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(order)
            import_module("jupyter_book.cli.main").main()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
