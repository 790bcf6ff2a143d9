"""Forks of a Python that has libraries loaded, where otherwise a new one would start.

What a small book takes to be built is mostly the loading of Sphinx and what it brings,
and what its cells take, the loading of the kernel. So for builds and for kernels there
is one process each that does nothing but load and fork: it runs no thread and no event
loop, and knows no extension of the book, nor anything of its package. A fork gets the
folder, the environment, the path, the streams and the session of a process of its own.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Thread

from jupyter_client.provisioning import local_provisioner

LIBRARIES = {
    "build": (
        "bs4", "gif", "jupyter_book.cli.main", "jupytext", "math_core",
        "matplotlib.backends.backend_agg", "matplotlib.pyplot",
        "matplotlib_inline.backend_inline", "myst_nb.ext.glue.domain", "nbclient",
        "nbconvert", "PIL.ImageDraw", "psutil", "pydata_sphinx_theme",
        "selectolax.lexbor", "sphinx.ext.autodoc.typehints", "sphinx.ext.intersphinx",
        "sphinx.ext.napoleon", "sphinx_book_theme", "sphinx_comments",
        "sphinx_copybutton", "sphinx_design.extension", "sphinx_exercise",
        "sphinx_external_toc", "sphinx_jupyterbook_latex.transforms",
        "sphinx_markdown_builder", "sphinx_multitoc_numbering", "sphinx_thebe",
        "sphinx_togglebutton", "sphinxcontrib.bibtex.style.referencing.author_year",
        "tinycss2", "wcmatch.glob", "xml.dom.minidom",
    ),
    "kernel": (
        "IPython.core.oinspect", "IPython.extensions.storemagic", "ipykernel.debugger",
        "ipykernel.kernelapp", "tornado.platform.asyncio",
    ),
}  # fmt: skip


class Fork:
    """A process that was forked, with what Jupyter needs of a `subprocess.Popen`.

    It is killed when nobody waits for it any more.
    """

    stdin = stdout = stderr = returncode = None

    def __init__(
        self, server: str, streams: Sequence[int] = (1, 2), **order: object
    ) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(server)
        self._answers = self._line.makefile("rb", buffering=0)
        socket.send_fds(self._line, [b"."], streams)
        self._line.sendall(json.dumps(order).encode() + b"\n")
        self.pid = int(self._answers.readline())

    def wait(self) -> int:
        """Return the exit status, when there is one."""
        if self.returncode is None:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, if there is one."""
        ended = self.returncode is None and select.select([self._line], [], [], 0)[0]
        return self.wait() if ended else self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def launcher(server: str) -> Callable[..., Fork]:
    """Return what forks kernels, for `jupyter_client`, which would start them."""

    def launch_kernel(
        command: list[str], *, cwd: str, env: dict[str, str], **_: object
    ) -> Fork:
        # Kernels take this from their environment, but at an import.
        parent = f"--IPKernelApp.parent_handle={os.getpid()}"
        return Fork(server, command=[*command, parent], cwd=cwd, env=env)

    return launch_kernel


@cache
def server(kind: str) -> str:
    """Return where forks are to be had: from a process that ends with this one."""
    # The debugger, which each kernel has loaded, would warn of frozen modules.
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        [sys.executable, __file__, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    _servers.append(process)
    return process.stdout.readline().strip()


# Each ends when nothing holds its standard input any more.
_servers: list[subprocess.Popen[str]] = []


def serve(kind: str) -> None:
    """Fork for all who ask, until standard input ends."""
    for name in LIBRARIES[kind]:
        import_module(name)
    if kind == "build":
        for name in import_module("sphinx.application").builtin_extensions:
            import_module(name)
    # No fork is to look through, and so copy, what never becomes garbage.
    gc.collect()
    gc.freeze()
    folder = Path(tempfile.mkdtemp(prefix="forks-"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / kind))
    listener.listen()
    print(folder / kind, flush=True)
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            keep(kind, line)
        line.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    shutil.rmtree(folder)


def keep(kind: str, line: socket.socket) -> None:
    """Fork, and tell whoever asked how that ends; if they end before, end it."""
    streams = socket.recv_fds(line, 1, 2)[1]
    order = json.loads(line.makefile().readline())
    child = os.fork()
    if child == 0:
        # Before anybody knows the number: signals are sent to the whole session.
        os.setsid()
        line.sendall(b"%d\n" % os.getpid())
        line.close()
        become(kind, streams, **order)
    Thread(target=end_with, args=(line, child), daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        line.sendall(b"%d\n" % status)
    os._exit(0)


def end_with(line: socket.socket, child: int) -> None:
    """Kill a session when its line is cut."""
    line.recv(1)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def become(
    kind: str,
    streams: Sequence[int],
    command: list[str],
    cwd: str,
    env: dict[str, str],
    kernels: str = "",
) -> None:
    """Do what the command does, in a process that is as if it had been started."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *streams)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    if kind == "kernel":
        # What Python does by itself when it starts: the recorder begins there.
        sys.modules.pop("sitecustomize", None)
        with suppress(ImportError):
            import_module("sitecustomize")
        sys.argv = command[2:]
        sys.exit(import_module("ipykernel.kernelapp").launch_new_instance())
    sys.argv = command
    local_provisioner.launch_kernel = launcher(kernels)
    sys.exit(import_module("jupyter_book.cli.main").main())


if __name__ == "__main__":
    serve(sys.argv[1])
