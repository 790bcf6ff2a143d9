"""Where the execution cache lies, when it is stale, and how a failure is told.

MyST-NB keys its cache on a chapter's own cells: edit a module that the chapter
imports, and the page keeps its old numbers. Here the cache lies in a folder named
after a fingerprint of everything else that a cell's output depends on: the
package, the pins, the committed data, and the versions that are installed. Another
fingerprint is another, empty cache; and because the path is a setting on which
every page depends, Sphinx reads every page again. Editing prose changes neither
the fingerprint nor the cells, so nothing runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jupytext
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import order

logger = logging.getLogger(__name__)

# How many caches are kept: switching between two branches costs no run.
KEPT = 3


def fingerprint(root: Path) -> str:
    """Return a hash of all that a cell's output depends on besides the cell.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    """
    found = hashlib.sha256()
    for name, content in _ingredients(root):
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:16]


def _ingredients(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents: the package, the pins, the data, the versions."""
    spec = importlib.util.find_spec("descent")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the package 'descent' is not installed: pip install -r requirements.txt"
        )
    package = Path(next(iter(spec.submodule_search_locations)))
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"package/{path.relative_to(package)}", path.read_bytes()
    pins = [root / "requirements.txt", root / "constraints.txt"]
    data = sorted(path for path in root.glob("experiments/**/*") if path.is_file())
    for path in [*pins, *data]:
        if path.exists() and "__pycache__" not in path.parts:
            yield str(path.relative_to(root)), path.read_bytes()
    yield "python", platform.python_version().encode()
    for name in re.findall(r"^([\w.-]+)==", pins[0].read_text(), flags=re.MULTILINE):
        yield name, metadata.version(name).encode()


def is_sound(cache: Path) -> bool:
    """Return whether a cache can be read from end to end.

    An interrupted run can leave a database or a notebook half written, on which
    every later build would fail.
    """
    try:
        with sqlite3.connect(f"file:{cache / 'global.db'}?mode=ro", uri=True) as db:
            if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                return False
            keys = [key for (key,) in db.execute("SELECT hashkey FROM nbcache")]
        for key in keys:
            json.loads((cache / "executed" / key / "base.ipynb").read_text("utf8"))
    except (sqlite3.Error, OSError, ValueError):
        return False
    return True


def _place_cache(app: Sphinx, config: Config) -> None:
    """Choose the cache by the fingerprint, throw away a broken one and old ones."""
    source = Path(app.srcdir)
    home = Path(app.outdir).parent / ".jupyter_cache"
    cache = home / fingerprint(source.parent)
    if cache.exists() and not is_sound(cache):
        logger.info("The execution cache is damaged: all chapters run again.")
        shutil.rmtree(cache)
    home.mkdir(parents=True, exist_ok=True)
    if cache.exists():
        cache.touch()
    others = sorted(
        (path for path in home.iterdir() if path != cache),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for old in others[KEPT - 1 :]:
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    config["nb_execution_cache_path"] = str(cache)


def _report(app: Sphinx, failure: Exception | None) -> None:
    """Say how long each chapter ran; after a failure, which cell of which chapter."""
    if failure is not None:
        _name_culprit(app, failure)
        return
    for name, data in sorted(app.env.nb_metadata.items()):  # type: ignore[attr-defined]
        run: dict[str, Any] = data.get("exec_data") or {}
        if run.get("runtime") is not None:
            logger.info("%-16s %6.1f s", name, run["runtime"])


def _name_culprit(app: Sphinx, failure: Exception) -> None:
    """Log the chapter, the cell and its line where a build stopped."""
    name = app.env.temp_data.get("docname") if hasattr(app, "env") else None
    cause = failure.__cause__
    if name is None:
        return
    where = f"book/{name}.md"
    if isinstance(cause, CellExecutionError | CellTimeoutError):
        said = str(cause)
        cells = jupytext.read(Path(app.srcdir) / f"{name}.md").cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        for number, source in enumerate(code, start=1):
            if source.strip() and source.strip() in said:
                where += f", code cell {number} of {len(code)}"
                break
        logger.error("%s failed:\n%s", where, said)
    else:
        logger.error("%s failed: %s: %s", where, type(failure).__name__, failure)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    # The kernels inherit it: a bar would be among the outputs of an executed page.
    os.environ["TQDM_DISABLE"] = "1"
    app.connect("config-inited", _place_cache)
    app.connect("build-finished", _report, priority=order.TIMES)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
