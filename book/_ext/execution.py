"""Chapters executed while the book is built, and only when something made it necessary.

MyST-NB asks in one place for a client that gives a chapter its outputs; ours is put
there. It takes a kept run if one stands (`kept_runs`), and otherwise runs the cells
(`kernel_client`) and keeps what came of it, with all that was read (`dependencies`).
Before anything is read, Sphinx hears which unchanged pages show a run that does not
stand any more, and chapters begin to run side by side (`runs_ahead`). Editing prose, or
a comment or a docstring of a module, runs nothing.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import myst_nb.sphinx_
import nbformat
from myst_nb.core.execute import NotebookClientBase, create_client
from myst_nb.core.read import create_nb_reader
from myst_nb.ext import execution_tables
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util import logging

import order
from dependencies import manifest, recorder_settings, versions
from glued_numbers import faults
from kept_runs import KeptRuns, Run, cells_digest
from kernel_client import ChapterClient, ChapterError, kernel_environment
from runs_ahead import RunsAhead

logger = logging.getLogger(__name__)

FOLDER = ".executed"

# A cell may take its code from another file, which Sphinx does not know of.
_LOADED = re.compile(r"^:?load:", re.MULTILINE)


class KeptOrExecuted(NotebookClientBase):
    """Gives a chapter the outputs of a kept run, or of one that it makes.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build.
    *args, **options
        As MyST-NB gives them.
    """

    def __init__(self, app: Sphinx, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.app = app

    def start_client(self) -> None:
        """Fill the notebook's cells with outputs."""
        if self.path is None:
            raise ChapterError("a chapter must be a file to be executed")
        name = self.app.env.docname
        runs: KeptRuns = self.app.kept_runs  # type: ignore[attr-defined]
        cells = cells_digest(self.notebook)
        ahead: RunsAhead = self.app.runs_ahead  # type: ignore[attr-defined]
        why = ahead.reasons.get(name)
        if why is not None:
            self.logger.info(f"Executing notebook ({why})")
            ahead.wait_for(name)
        standing = runs.standing(name, cells)
        if standing is None:
            why = runs.why_none_stands(name, cells)
            self.logger.info(f"Executing notebook ({why})")
            standing = self.run_and_keep(name)
        key, run = standing
        if why is not None:
            self.logger.info(f"Executed notebook in {run.seconds:.2f} seconds")
        self._fill(run)
        shown_runs(self.app.env)[name] = cells, key
        text = self.path.read_text("utf8")
        wrong = list(faults(self.notebook, self._file(), text))
        if wrong:
            raise ChapterError("\n".join(wrong))
        self.exec_metadata = {
            "mtime": run.when,
            "runtime": run.seconds,
            "memory": run.memory,
            "method": self.nb_config.execution_mode,
            "succeeded": True,
            "error": None,
            "traceback": None,
        }

    def _file(self) -> str:
        """Return the chapter's file, as seen from the repository."""
        assert self.path is not None
        return str(self.path.relative_to(Path(self.app.srcdir).parent))

    def run_and_keep(self, name: str) -> tuple[str, Run]:
        """Run a chapter's cells and keep what came of it; return it with its name."""
        runs: KeptRuns = self.app.kept_runs  # type: ignore[attr-defined]
        run = self._execute(cells_digest(self.notebook), runs)
        return runs.keep(name, run), run

    def _execute(self, cells: str, runs: KeptRuns) -> Run:
        """Run the cells; return what came of it."""
        assert self.path is not None
        book = Path(self.app.srcdir)
        # MyST-NB names the line below the one with which a cell begins.
        lines = [self.cell_line(i) - 1 for i in range(len(self.notebook.cells))]
        with tempfile.TemporaryDirectory(prefix="descent-run-") as temporary:
            home = Path(temporary)
            log = home / "read.jsonl"
            client = ChapterClient(
                self.notebook,
                self._file(),
                lines,
                home,
                timeout=self.nb_config.execution_timeout,
            )
            settings = recorder_settings(book.parent, log)
            when, start = time.time(), time.perf_counter()
            client.run(
                cwd=str(self.path.parent), env=kernel_environment(settings, home)
            )
            seconds = time.perf_counter() - start
            code = [c for c in self.notebook.cells if c.cell_type == "code"]
            return Run(
                cells=cells,
                seconds=seconds,
                memory=client.peak,
                when=when,
                language=self.notebook.metadata.get("language_info", {}),
                outputs=[
                    {"outputs": c.outputs, "execution_count": c.execution_count}
                    for c in code
                ],
                manifest=manifest(book.parent, log, [c.source for c in code], runs.now),
            )

    def _fill(self, run: Run) -> None:
        """Give the cells what they gave when they ran."""
        code = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for cell, kept in zip(code, run.outputs, strict=True):
            cell.outputs = [nbformat.from_dict(output) for output in kept["outputs"]]
            cell.execution_count = kept["execution_count"]
        self.notebook.metadata["language_info"] = nbformat.from_dict(run.language)


def shown_runs(env: BuildEnvironment) -> dict[str, tuple[str, str]]:
    """Return, for each page that was read, the digest of its cells and its run."""
    if not hasattr(env, "descent_runs"):
        env.descent_runs = {}  # type: ignore[attr-defined]
    return env.descent_runs  # type: ignore[attr-defined]


def executed_notebook(app: Sphinx, name: str) -> NotebookNode | None:
    """Return a chapter's notebook with its outputs; nothing for a page without cells.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build, which has read the page.
    name : str
        The page.
    """
    file = Path(app.env.mystnb_config.output_folder) / f"{name}.ipynb"  # type: ignore[attr-defined]
    if name not in shown_runs(app.env) or not file.exists():
        return None
    return nbformat.read(file, as_version=4)


def _open_runs(app: Sphinx) -> None:
    """Find the kept runs, and let MyST-NB ask for our client."""
    root = Path(app.srcdir).parent
    folder = Path(app.outdir).parent / FOLDER
    app.kept_runs = KeptRuns(folder, root, versions(root))  # type: ignore[attr-defined]

    def client(
        notebook: NotebookNode, source: str, nb_config: Any, *args: Any, **options: Any
    ) -> NotebookClientBase:
        if nb_config.execution_mode == "off":
            return create_client(notebook, source, nb_config, *args, **options)
        log = args[0] if args else options["logger"]
        return KeptOrExecuted(app, notebook, Path(source), nb_config, log)

    myst_nb.sphinx_.create_client = client


def _outdated(
    app: Sphinx,
    env: BuildEnvironment,
    added: set[str],
    changed: set[str],
    gone: set[str],
) -> Iterable[str]:
    """Return the pages that show a run which does not stand any more."""
    runs: KeptRuns = app.kept_runs  # type: ignore[attr-defined]
    shown = shown_runs(env)
    # A page that changed may have no cells any more: it says so when it is read.
    for name in set(shown) - (env.found_docs - changed):
        del shown[name]
    stale = []
    for name in sorted(set(shown) - added):
        cells, key = shown[name]
        standing = runs.standing(name, cells)
        text = Path(env.doc2path(name)).read_text("utf8")
        if standing is None or standing[0] != key or _LOADED.search(text):
            stale.append(name)
    return stale


def _run_ahead(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """Begin to run the chapters that have no run, in the order in which they are read.

    What cannot be read here cannot be read by MyST-NB either, which says why.
    """
    kept: KeptRuns = app.kept_runs  # type: ignore[attr-defined]
    config = env.mystnb_config  # type: ignore[attr-defined]
    runs, reasons = {}, {}
    for name in names if config.execution_mode != "off" else ():
        path = env.doc2path(name)
        text = Path(path).read_text("utf8")
        try:
            reader = create_nb_reader(path, env.myst_config, config, text)  # type: ignore[attr-defined]
            notebook = reader.read(text) if reader else nbformat.v4.new_notebook()
        except Exception:  # of YAML, nbformat, a file to load, and others
            continue
        digest = cells_digest(notebook)
        has_code = any(cell.cell_type == "code" for cell in notebook.cells)
        if has_code and kept.standing(name, digest) is None:
            client = KeptOrExecuted(app, notebook, Path(path), config, logger)
            runs[name] = partial(client.run_and_keep, name)
            reasons[name] = kept.why_none_stands(name, digest)
    app.runs_ahead = RunsAhead(runs, reasons)  # type: ignore[attr-defined]


def _give_up(app: Sphinx, failure: Exception | None) -> None:
    """Begin no more runs when the build ends: it may have failed."""
    if hasattr(app, "runs_ahead"):
        app.runs_ahead.give_up()


def _report(app: Sphinx, failure: Exception | None) -> None:
    """Say how long each chapter ran, and how much memory it used."""
    if failure is not None:
        return
    for name, data in sorted(app.env.nb_metadata.items()):  # type: ignore[attr-defined]
        run: dict[str, Any] = data.get("exec_data") or {}
        if run.get("runtime") is not None:
            memory = run.get("memory", 0) / 1e6
            logger.info("%-16s %6.1f s %6.0f MB", name, run["runtime"], memory)


def _say_cause_last(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """End the output with what went wrong, instead of with Jupyter Book's traceback."""
    if isinstance(error.__cause__, SphinxError):
        print(f"\nThe book is not built.\n{error.__cause__}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    sys.excepthook = _say_cause_last
    execution_tables._key2header["memory"] = "Memory (MB)"
    execution_tables._key2transform["memory"] = lambda used: f"{used / 1e6:.0f}"
    app.connect("builder-inited", _open_runs)
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", _run_ahead)
    app.connect("build-finished", _give_up)
    app.connect("build-finished", _report, priority=order.TIMES)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
