"""Files that are written whole or not at all, and what a program's file does.

Belongs to :doc:`/recipes`: checkpoints are written with it, and the music's cache.
"""

import ast
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

__all__ = ["code_digest", "replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when it is complete.

    Until then what is there stays as it is, also if the program is killed in between.
    After an error the unfinished file is removed.

    Parameters
    ----------
    path : pathlib.Path
        Where the file is to be. Its folder has to be there.

    Yields
    ------
    file
        The new file, open for writing bytes.
    """
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        # Not by tempfile: what that makes, nobody else may read.
        with unfinished.open("xb") as file:
            yield file
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def code_digest(path: Path) -> str:
    """Return a hash of a Python file's code, without comments and docstrings.

    What was computed before, and is kept under this name, need not be computed again
    because somebody explained the code better.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    str
        The hash, in hexadecimal digits. It differs between versions of Python.

    Raises
    ------
    OSError
        If the file cannot be read.
    SyntaxError
        If it is no Python.
    """
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # Any text that stands for itself does nothing, wherever it stands.
            body[:] = [line for line in body if not _is_text(line)]
    return hashlib.sha256(ast.dump(tree).encode("utf8", "surrogatepass")).hexdigest()


def _is_text(line: ast.AST) -> bool:
    """Return whether a statement is nothing but a text."""
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )
