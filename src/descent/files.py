"""Files that are written whole or not at all.

Belongs to :doc:`/recipes`: checkpoints are written with it, and the music's cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

__all__ = ["replacing"]


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
