"""What Binder does with what the build leaves for it, without repo2docker.

Binder installs what `binder/requirements.txt` names, runs `binder/postBuild` once,
and starts a Jupyter server, after `binder/start`. Here the packages are those of the
tests' own environment (the same pins, and more), the folder is a copy, and the home
directory a fresh one, so that nobody's own configuration plays a part or is touched.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import requests
import websocket

from book import SITE
from descent.page.narrow import ASKED

# The branch that holds everything.
PUBLISHED = SITE.parent / "notebooks"

# Run after a chapter's last cell. (Linux counts in kilobytes, macOS in bytes.)
PEAK = """import resource, sys
_most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(_most / (1e6 if sys.platform == "darwin" else 1e3))"""

START_SECONDS = 180
CELL_SECONDS = 300

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# tqdm writes over its line, again and again.
_BAR = re.compile(r"\r[^\r\n]*")


@cache
def published(name: str) -> nbformat.NotebookNode:
    """Return a chapter's notebook as the build left it: to be looked at."""
    path = PUBLISHED / f"{name}.ipynb"
    assert path.exists(), f"{path} is missing: build the book first (make book)"
    return nbformat.read(path, as_version=4)


def fresh_environment(home: Path) -> dict[str, str]:
    """Return environment variables with another home, and nothing that leads back."""
    foreign = ("JUPYTER", "JUPYTEXT", "IPYTHON", "MPL", "XDG_", "PYTEST")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign)
    }
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "HOME": str(home), "PATH": programs}


def prepare(program: str, root: Path, home: Path) -> None:
    """Run a program of the folder binder/ as Binder does, in the branch's folder."""
    done = subprocess.run(
        [root / "binder" / program, "true"],
        cwd=root,
        env=fresh_environment(home),
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise AssertionError(
            f"binder/{program} ended with {done.returncode}:\n"
            f"{done.stdout}{done.stderr}"
        )


@dataclass(frozen=True)
class Cell:
    """A code cell that was run.

    Attributes
    ----------
    number, of : int
        The cell's place among the chapter's code cells, from 1.
    source : str
    tags : frozenset of str
    outputs : list of dict
        As in a notebook.
    """

    number: int
    of: int
    source: str
    tags: frozenset[str]
    outputs: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class Server:
    """A running Jupyter server.

    Attributes
    ----------
    url, token : str
    peaks : dict of str to float
        For each file that was run, the most memory its kernel had, in megabytes.
    """

    url: str
    token: str
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """Return what lets us in."""
        return {"Authorization": f"token {self.token}"}

    def call(self, method: str, path: str, /, **content: Any) -> Any:
        """Return the JSON answer to a request, None for an empty one."""
        answer = requests.request(
            method,
            f"{self.url}{path}",
            headers=self.headers,
            json=content or None,
            timeout=60,
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def notebook(self, path: str) -> nbformat.NotebookNode:
        """Return a file as the notebook that a click on it opens."""
        model = self.call("GET", f"api/contents/{path}?type=notebook&content=1")
        assert model["type"] == "notebook"
        return nbformat.from_dict(model["content"])

    def run(
        self, path: str, notebook: nbformat.NotebookNode | None = None
    ) -> list[Cell]:
        """Run a file's code cells in order, as "Run All Cells" does.

        Parameters
        ----------
        path : str
            The file, from the repository's top.
        notebook : nbformat.NotebookNode, optional
            What to run in its place.

        Raises
        ------
        AssertionError
            If a cell fails that should not or the other way round; the message has
            the file, the cell's number, its source and the traceback.
        """
        notebook = notebook or self.notebook(path)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        session = self.call(
            "POST",
            "api/sessions",
            path=path,
            name=Path(path).name,
            type="notebook",
            kernel={"name": notebook.metadata.kernelspec.name},
        )
        address = (
            f"{self.url.replace('http', 'ws', 1)}"
            f"api/kernels/{session['kernel']['id']}/channels"
        )
        ran = []
        try:
            with closing(
                websocket.create_connection(
                    address, header=self.headers, timeout=CELL_SECONDS
                )
            ) as channel:
                for number, cell in enumerate(code, start=1):
                    outputs = _execute(channel, cell.source)
                    tags = frozenset(cell.metadata.get("tags", ()))
                    ran.append(Cell(number, len(code), cell.source, tags, outputs))
                    _judge(path, ran[-1])
                # A line may come in pieces.
                pieces = (
                    each.get("text", "")
                    for each in _execute(channel, PEAK)
                    if each.get("name") == "stdout"
                )
                self.peaks[path] = float("".join(pieces))
        finally:
            self.call("DELETE", f"api/sessions/{session['id']}")
        return ran


def _execute(channel: websocket.WebSocket, source: str) -> list[dict[str, Any]]:
    """Have a cell run, and return its outputs when the kernel is idle again."""
    asked = uuid.uuid4().hex
    channel.send(
        json.dumps(
            {
                "channel": "shell",
                "header": {
                    "msg_id": asked,
                    "msg_type": "execute_request",
                    "session": asked,
                    "username": "reader",
                    "version": "5.3",
                },
                "parent_header": {},
                "metadata": {},
                "content": {
                    "code": source,
                    "silent": False,
                    "store_history": True,
                    "user_expressions": {},
                    "allow_stdin": False,
                    "stop_on_error": True,
                },
            }
        )
    )
    outputs: list[dict[str, Any]] = []
    replied = idle = False
    while not (replied and idle):
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "execute_reply":
            replied = True
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        elif kind in {"stream", "display_data", "execute_result", "error"}:
            outputs.append({"output_type": kind, **content})
        else:
            assert kind == "execute_input", f"a cell sent {kind}, unknown here"
    return outputs


def _judge(path: str, cell: Cell) -> None:
    """Raise if a cell failed that should not, or the other way round."""
    errors = [output for output in cell.outputs if output["output_type"] == "error"]
    where = f"{path}, code cell {cell.number} of {cell.of}"
    source = "\n".join(f"    {line}" for line in cell.source.splitlines())
    if errors and "raises-exception" not in cell.tags:
        traceback = _ANSI.sub("", "\n".join(errors[0]["traceback"]))
        raise AssertionError(
            f"{where}, stopped with {errors[0]['ename']}: {errors[0]['evalue']}\n"
            f"\n{source}\n\n{traceback}"
        )
    if "raises-exception" in cell.tags and not errors:
        raise AssertionError(
            f"{where}, is tagged raises-exception, but ran\n\n{source}"
        )


def shown(outputs: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Return outputs as (kind, content), so that two runs can be compared.

    Pieces of one stream are joined: where they are cut depends on the moment. Bars of
    progress and the messages of `glue` are left out, as they are on a page. An error
    is told by its name and its text.
    """
    found: list[tuple[str, Any]] = []
    streams: dict[str, str] = {}
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif kind == "error":
            found.append(("error", f"{output['ename']}: {output['evalue']}"))
        elif "scrapbook" not in output["metadata"]:
            found += sorted(output["data"].items())
    lasting = ((name, _BAR.sub("", text)) for name, text in streams.items())
    return sorted((name, text) for name, text in lasting if text) + found


def settle(home: Path, *, myst: bool) -> None:
    """Set up a Lab for tests: nothing is saved, every cell is drawn at once.

    Parameters
    ----------
    home : pathlib.Path
        The server's home directory.
    myst : bool
        Whether the extension jupyterlab-myst is on, which Binder does not have.
    """
    folder = home / ".jupyter/labconfig"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    }
    (folder / "default_setting_overrides.json").write_text(json.dumps(settings), "utf8")
    if not myst:
        page = folder / "page_config.json"
        config = json.loads(page.read_text("utf8")) if page.exists() else {}
        config.setdefault("disabledExtensions", {})["jupyterlab-myst"] = True
        page.write_text(json.dumps(config), "utf8")


@contextmanager
def launched(root: Path, home: Path) -> Iterator[Server]:
    """Start a Jupyter server in a folder; stop it."""
    token = uuid.uuid4().hex
    log = home / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter", "lab", "--no-browser"),
                *("--ip=127.0.0.1", "--port=0", "--allow-root"),
                f"--IdentityProvider.token={token}",
                f"--ServerApp.root_dir={root}",
            ],
            cwd=root,
            # Figures are drawn in both forms, as in the build: drawing the second moves
            # the first by the last digits of its numbers.
            env={**fresh_environment(home), ASKED: "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(_address(process, home, log), token)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(process: subprocess.Popen[bytes], home: Path, log: Path) -> str:
    """Wait until the server answers, and return its address."""
    described = home / f".local/share/jupyter/runtime/jpserver-{process.pid}.json"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            about = json.loads(described.read_text("utf8"))
            url = f"http://127.0.0.1:{about['port']}{about['base_url']}"
            if requests.get(f"{url}api", timeout=5).ok:
                return url
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError(
        f"the Jupyter server did not start:\n{log.read_text()[-3000:]}"
    )
