"""A chapter's cells run in a kernel, within limits, and with a name for every failure.

Whatever is wrong is told as chapter, cell, line and what to do: an error, a dead
kernel, a cell that takes too long, output that no page should carry, warnings that
nobody meant to show, and more memory than a launched notebook gets. Output is counted
while it arrives, so that nothing has to come to its end to be found too large.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.client import CellExecutionComplete
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from nbformat import NotebookNode
from nbformat.v4 import new_output
from sphinx.errors import SphinxError
from traitlets import default

from descent.page import narrow

# A page with more than this from one cell is not to be read. Characters of text, and of
# anything else as it stands in a notebook (base64): the largest animation is 0.8
# million, the largest set of sounds 1.1 million.
TEXT_BUDGET = 100_000
MEDIA_BUDGET = 3_000_000
OUTPUTS_BUDGET = 200
DEPTH_BUDGET = 50

# A free Binder gives a reader 2 GB for all open notebooks.
MEMORY_BUDGET = 1_000_000_000

# The tag of a cell that means to show a warning, or other words on the error stream.
SHOWS_WARNINGS = "shows-warnings"

# Seconds.
_MEMORY_EVERY = 0.25
_LATE = 0.2

_ANSI = re.compile(r"\x1b\[[\d;]*m")
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)


class ChapterError(SphinxError):
    """A chapter that cannot be published; the message says which, where and why."""

    category = "Chapter"


class Limit(Exception):
    """Raised where a limit is exceeded; the message is for the author."""


def media_size(data: Any) -> int:
    """Return about how many characters a value takes as JSON.

    Parameters
    ----------
    data : object
        What a message carries, of any depth.

    Raises
    ------
    Limit
        If lists and mappings are nested too deep to be written and read again.
    """
    size = 0
    left = [(data, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEPTH_BUDGET:
            raise Limit(f"its output is nested more than {DEPTH_BUDGET} levels deep")
        if isinstance(value, dict):
            left += [(item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple):
            left += [(item, depth + 1) for item in value]
        else:
            size += len(value) if isinstance(value, str) else 8
        size += 2
    return size


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return outputs with one stream of each name, as a terminal would show it.

    Parameters
    ----------
    outputs : list of nbformat.NotebookNode
        Of one cell.
    """
    streams: dict[str, list[str]] = {}
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name not in streams:
                streams[output.name] = []
                kept.append(output)
            streams[output.name].append(output.text)
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            lines = "".join(streams[output.name]).split("\n")
            # A carriage return begins the line anew.
            output.text = "\n".join(
                line.rstrip("\r").rpartition("\r")[2] for line in lines
            )
    # The two streams come by different ways: their order is chance.
    kept.sort(
        key=lambda output: output.output_type == "stream" and output.name == "stderr"
    )
    return kept


class _KernelManager(AsyncKernelManager):
    """Starts kernels, and talks to all of them in one ZeroMQ context, never ended.

    By default manager and client have contexts of their own, which they end at a
    kernel's end, and one time in some hundreds wait for that for ever
    (jupyter/jupyter_client, issue 771).
    """

    @default("context")
    def _shared(self) -> zmq.asyncio.Context:
        return zmq.asyncio.Context.instance()

    def client(self, **options: Any) -> Any:
        """Return a client for the kernel."""
        return super().client(context=self.context, **options)


class ChapterClient(NotebookClient):
    """Runs a chapter's cells; see the module.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The chapter; its cells get their outputs.
    name : str
        Of the chapter's file, for messages.
    lines : list of int
        The line of the file at which each cell begins.
    home : pathlib.Path
        A folder of this run's own.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        name: str,
        lines: list[int],
        home: Path,
        **options: Any,
    ) -> None:
        # Whatever happens is told by this class.
        options.setdefault("shutdown_kernel", "immediate")
        options.setdefault("kernel_manager_class", _KernelManager)
        # Output that is late is waited for: it would be missing on the page.
        options.setdefault("iopub_timeout", 120)
        options.setdefault("raise_on_iopub_timeout", True)
        super().__init__(notebook, **options)
        self.log.setLevel("CRITICAL")
        self.name = name
        self.lines = lines
        self.home = home
        self.numbers = {
            index: number
            for number, index in enumerate(
                (i for i, c in enumerate(notebook.cells) if c.cell_type == "code"), 1
            )
        }
        self.peak = 0
        self.exceeded: str | None = None
        self.running: int | None = None
        self.cells_of: dict[str, int] = {}
        self.counted: dict[str, int] = {}

    def _is_last(self, index: int) -> bool:
        """Return whether no cell after this one has code."""
        cells = self.nb.cells[index + 1 :]
        return not any(c.cell_type == "code" and c.source.strip() for c in cells)

    def where(self, index: int) -> str:
        """Return the chapter, the number of a cell, and its line."""
        number, count = self.numbers[index], len(self.numbers)
        return f"{self.name}, cell {number} of {count} (line {self.lines[index]})"

    def failure(self, index: int, what: str, *more: str) -> ChapterError:
        """Return the error that stops the build."""
        return ChapterError("\n".join([f"{self.where(index)}: {what}", *more]))

    def run(self, **options: Any) -> None:
        """Run all cells.

        Parameters
        ----------
        **options
            For the start of the kernel: `cwd` and `env`.

        Raises
        ------
        ChapterError
            At the first cell that cannot be published.
        """
        try:
            self.execute(**options)
        except ChapterError:
            raise
        except Exception as error:
            if self._found is not None:
                raise self._found from error
            if self.running is None:
                raise ChapterError(
                    f"{self.name}: its kernel could not be run: "
                    f"{type(error).__name__}: {error}"
                ) from error
            raise self.failure(self.running, *self._cause(error)) from error

    def _cause(self, error: Exception) -> Iterator[str]:
        """Yield what happened, and what to do."""
        assert self.running is not None
        if self.exceeded is not None:
            yield self.exceeded
        elif isinstance(error, CellExecutionError):
            yield "an error."
            yield _ANSI.sub("", str(error.traceback)).rstrip()
            yield ""
            place = _line_of_cell(str(error.traceback))
            source = str(self.nb.cells[self.running].source).splitlines()
            yield f"{self.where(self.running)} failed:"
            if place is not None and place <= len(source):
                yield f"    {source[place - 1].strip()}"
            yield _ANSI.sub("", f"{error.ename}: {error.evalue}")
        elif isinstance(error, CellTimeoutError):
            yield f"it ran longer than the {self.timeout} s that a cell may run."
        elif isinstance(error, DeadKernelError):
            yield f"the kernel died ({self._obituary()})."
        else:
            yield f"{type(error).__name__}: {error}"

    def _obituary(self) -> str:
        """Return how the kernel ended."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        code = self._code if process is None else process.poll()
        if code is None:
            return "nobody knows how"
        if code < 0:
            name = signal.Signals(-code).name
            cause = ": probably out of memory" if -code == signal.SIGKILL else ""
            return f"signal {name}{cause}"
        return f"exit code {code}"

    def create_kernel_manager(self) -> Any:
        """Return what starts the kernel, which finds its settings in its own folder."""
        manager = super().create_kernel_manager()
        manager.connection_file = str(self.home / "kernel.json")
        return manager

    async def _async_check_alive(self) -> None:
        """Look whether the kernel lives, unless it was ended here."""
        if self.kc is not None:
            await super()._async_check_alive()

    async def _async_cleanup_kernel(self) -> None:
        """End the kernel; remember how it ended by itself."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        self._code = process.poll() if process is not None else None
        await super()._async_cleanup_kernel()

    _code: int | None = None
    _found: ChapterError | None = None

    async def async_execute_cell(
        self, cell: NotebookNode, cell_index: int, *args: Any, **options: Any
    ) -> NotebookNode:
        """Run one cell, and look at what came of it."""
        code = cell.cell_type == "code" and cell.source.strip()
        if not code:
            if cell.cell_type == "code":
                cell.outputs = []
            return cell
        self.running = cell_index
        self.counted = {"text": 0, "media": 0, "outputs": 0}
        watch = asyncio.ensure_future(self._watch_memory())
        try:
            done = await super().async_execute_cell(cell, cell_index, *args, **options)
        finally:
            watch.cancel()
        done.outputs = merged(done.outputs)
        self._refuse_warnings(cell_index)
        if self._is_last(cell_index):
            await self._wait_for_late()
        self._measure()
        if self.exceeded:
            raise self.failure(cell_index, self.exceeded)
        return done

    def _refuse_warnings(self, index: int) -> None:
        """Stop at a cell that says something on the error stream without a tag."""
        cell = self.nb.cells[index]
        if SHOWS_WARNINGS in cell.metadata.get("tags", []):
            return
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise self.failure(
                    index,
                    "it writes to the error stream, which would be on the page.",
                    f"Mend the cause, or tag the cell `{SHOWS_WARNINGS}`.",
                    output.text.rstrip()[:2000],
                )

    async def _async_poll_output_msg(
        self, parent_msg_id: str, cell: NotebookNode, cell_index: int
    ) -> None:
        """Take a cell's messages; whatever is wrong with one ends the run at once."""
        self.cells_of[parent_msg_id] = cell_index
        assert self.kc is not None
        try:
            while True:
                msg = await self._next_message(None)
                if msg["parent_header"].get("msg_id") == parent_msg_id:
                    self.process_message(msg, cell, cell_index)
                else:
                    self._take_late(msg)
        except CellExecutionComplete:
            return
        except asyncio.CancelledError:
            raise
        except ChapterError as error:
            self._found = error
            self._stop(str(error))
        except Exception as error:
            self._stop(str(error) if isinstance(error, Limit) else repr(error)[:500])

    async def _next_message(self, timeout: float | None) -> dict[str, Any]:
        """Return what the kernel says next."""
        assert self.kc is not None
        return await ensure_async(self.kc.iopub_channel.get_msg(timeout=timeout))

    def _take_late(self, msg: dict[str, Any]) -> None:
        """Keep what comes after its cell has ended: C and programs do not wait."""
        index = self.cells_of.get(msg["parent_header"].get("msg_id", ""))
        if index is not None and msg["msg_type"] == "stream":
            stream = new_output("stream", **msg["content"])
            cell = self.nb.cells[index]
            cell.outputs = merged([*cell.outputs, stream])
            self._refuse_warnings(index)

    async def _wait_for_late(self) -> None:
        """Take what is still under way when all cells have run."""
        with suppress(Empty):
            while True:
                self._take_late(await self._next_message(_LATE))

    def _stop(self, why: str) -> None:
        """End the run while a cell may still be running."""
        if self.exceeded is None:
            self.exceeded = why
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """Count what a message carries before it is kept."""
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self._count("text", len(content["text"]), TEXT_BUDGET, "characters of text")
        elif msg["msg_type"] == "error":
            lines = sum(len(line) for line in content["traceback"])
            self._count("text", lines, TEXT_BUDGET, "characters of text")
        elif "data" in content:
            plain = content["data"].get("text/plain", "")
            rest = {k: v for k, v in content["data"].items() if k != "text/plain"}
            self._count("text", len(plain), TEXT_BUDGET, "characters of text")
            size = media_size([rest, content.get("metadata", {})])
            self._count(
                "media", size, MEDIA_BUDGET, "bytes of pictures, sounds or HTML"
            )
            self._count("outputs", 1, OUTPUTS_BUDGET, "outputs")
        return super().process_message(msg, cell, cell_index)

    def _count(self, what: str, more: int, budget: int, unit: str) -> None:
        """Add to a count of the running cell."""
        self.counted[what] += more
        if self.counted[what] > budget:
            raise Limit(
                f"its output has at least {self.counted[what]:,} {unit}; "
                f"a cell may have {budget:,}."
            )

    async def _watch_memory(self) -> None:
        """Measure while a cell runs."""
        while self.exceeded is None:
            await asyncio.sleep(_MEMORY_EVERY)
            self._measure()
            if self.exceeded is not None:
                self._stop(self.exceeded)

    def _measure(self) -> None:
        """Note what memory the kernel and its children use, and any excess."""
        pid = getattr(getattr(self.km, "provisioner", None), "pid", None)
        if pid is None:
            return
        try:
            kernel = psutil.Process(pid)
            used = kernel.memory_info().rss
            # Not the parent's own record of its maximum: a process inherits that of the
            # one which started it.
            status = Path(f"/proc/{pid}/status")
            if status.exists():
                peak = _PEAK.search(status.read_text())
                self.peak = max(self.peak, int(peak[1]) * 1024 if peak else 0)
            for child in kernel.children(recursive=True):
                # What the child has for itself: the rest is its parent's.
                used += child.memory_full_info().uss
        except (psutil.Error, OSError):
            return
        self.peak = max(self.peak, used)
        if self.peak > MEMORY_BUDGET and self.exceeded is None:
            self.exceeded = (
                f"the chapter uses {self.peak / 1e9:.2f} GB of memory; "
                f"a chapter may use {MEMORY_BUDGET / 1e9:.0f} GB."
            )


def _line_of_cell(traceback: str) -> int | None:
    """Return the cell's line at which an error arose, from the traceback's arrows."""
    text = _ANSI.sub("", traceback)
    first = re.search(r"^Cell In\[\d+\], line (\d+)", text, re.MULTILINE)
    return int(first[1]) if first else None


def kernel_environment(settings: str, home: Path) -> dict[str, str]:
    """Return the environment of a chapter's kernel.

    Parameters
    ----------
    settings : str
        The recorder's; see `dependencies.recorder_settings`.
    home : pathlib.Path
        A folder of this run's own, for IPython: the profile of whoever builds the book
        has no say in it.
    """
    folder = str(Path(__file__).with_name("recorder"))
    path = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "DESCENT_RECORDER": settings,
        "IPYTHONDIR": str(home),
        narrow.ASKED: "yes",
        # A bar would be among the outputs of an executed page.
        "TQDM_DISABLE": "1",
    }
