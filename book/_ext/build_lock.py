"""One build at a time in one folder: a second one waits, and says so.

The lock belongs to the process that holds it: it is gone with the process, however that
ends, so a killed build leaves nothing in the way.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import order

logger = logging.getLogger(__name__)

LOCK = ".lock"

# Of this process, by file: one process may build several times, one after another.
_held: dict[Path, IO[str]] = {}


def hold(folder: Path) -> None:
    """Wait until no other process builds in a folder, and lock it.

    Parameters
    ----------
    folder : pathlib.Path
        Where the build writes.
    """
    path = (folder / LOCK).resolve()
    if path in _held:
        return
    folder.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        logger.info(
            "Another build (process %s) is running in %s: waiting until it ends.",
            file.read().strip() or "unknown",
            folder,
        )
        fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    _held[path] = file


def release(folder: Path) -> None:
    """Let others build in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where the build wrote.
    """
    file = _held.pop((folder / LOCK).resolve(), None)
    if file is not None:
        file.close()


def _begin(app: Sphinx, config: Config) -> None:
    """Lock before anything of an earlier build is read."""
    hold(Path(app.outdir).parent)


def _end(app: Sphinx, failure: Exception | None) -> None:
    """Release when everything is written."""
    release(Path(app.outdir).parent)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx: first and last of all."""
    app.connect("config-inited", _begin, priority=order.LOCK)
    app.connect("build-finished", _end, priority=order.UNLOCK)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
