"""What an executed chapter depends on, and whether all of it is still as it was.

While a chapter runs, its kernel writes down what it reads (`recorder`). From that
comes a manifest: for every file its digest, for every folder that was listed its names,
for every path that somebody asked after whether it was there, for every module that was
looked for what an import would find. A module counts by what it does
(`descent.files.code_digest`): comments and docstrings do not, unless the file was read
by something else than the import system, or the code looks at docstrings or lines.
"""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import json
import os
import platform
import re
import site
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypedDict

import platformdirs

from descent.files import code_digest
from recorder.hook import MISSING, entries_of, importable, kind_of

# What a digest is if a file was changed while it was being read: none, so that the
# chapter runs again.
UNSETTLED = "changed while the chapter ran"

# Code that says one of these may show comments, docstrings or numbers of lines.
INTROSPECTION = re.compile(
    rb"__doc__|\bhelp\(|\bpydoc|\bdoctest|\bgetdoc|getsource|lineno|_getframe"
    rb"|currentframe|\bgetcomments"
)
# The same in the notebook's own language: `name?`, `?name`, `%pdoc name`.
_ASKED = re.compile(r"^\s*(\?|%p|[\w.]+\?{1,2}\s*$)", re.MULTILINE)


class Manifest(TypedDict):
    """What an executed chapter depends on; paths are relative to the repository.

    Attributes
    ----------
    read, ran : dict of str to str
        Digests of the bytes of files, and of the code of modules.
    listed, looked : dict of str to str
        Hashes of folders' names; what was found where somebody looked.
    sought : dict of str to dict
        For each folder in which modules were looked for, by name what was there.
    versions : dict of str to str
        Of the interpreter, the pins, the build's own code, and installed packages.
    """

    read: dict[str, str]
    ran: dict[str, str]
    listed: dict[str, str]
    looked: dict[str, str]
    sought: dict[str, dict[str, list[str]]]
    versions: dict[str, str]


def package_folder() -> Path:
    """Return where the package `descent` lies.

    Raises
    ------
    RuntimeError
        If it is not installed.
    """
    spec = importlib.util.find_spec("descent")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the package 'descent' is not installed: pip install -r requirements.txt"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def recorder_settings(root: Path, log: Path) -> str:
    """Return the recorder's settings for one run: its log, and which folders count.

    What is installed counts by its version, and what is derived from something else
    (caches) or made for this run does not count.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    log : pathlib.Path
        The file that the recorder writes.
    """
    installed = [sys.prefix, sys.base_prefix, sys.exec_prefix, site.getuserbase()]
    installed += sysconfig.get_paths().values()
    system = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/var"]
    derived = [str(platformdirs.user_cache_path()), os.environ.get("DESCENT_CACHE")]
    user = getpass.getuser()
    derived.append(str(Path(tempfile.gettempdir()) / f"torchinductor_{user}"))
    jupyter = [str(Path.home() / name) for name in (".jupyter", ".ipython")]
    jupyter.append(str(platformdirs.user_data_path("jupyter")))
    ignored = [*installed, *system, *derived, *jupyter, "/proc", "/sys", "/dev"]
    roots: dict[str, bool] = {}
    for name in [*ignored, str(log.parent)]:
        if name and name != "/":
            for path in (Path(name).absolute(), Path(name).resolve()):
                roots[str(path)] = False
    package = package_folder()
    for path in (root, root.resolve(), package, package.resolve()):
        roots[str(path)] = True
    # Written by pip: what it says of the version counts as a version.
    roots[str(package.resolve().with_name("descent.egg-info"))] = False
    roots[str(Path(__file__).with_name("recorder"))] = False
    # A temporary folder may lie below one of these.
    roots.setdefault(str(Path(tempfile.gettempdir()).resolve()), True)
    return json.dumps({"log": str(log), "roots": roots})


def manifest(
    root: Path, log: Path, cells: Sequence[str], now: dict[str, str]
) -> Manifest:
    """Return what a run depends on, from what its recorder wrote.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    log : pathlib.Path
        What the recorder wrote.
    cells : sequence of str
        The code that ran.
    now : dict of str to str
        What `versions` gives.

    Raises
    ------
    RuntimeError
        If the recorder could not write something down.
    """
    found = Manifest(read={}, ran={}, listed={}, looked={}, sought={}, versions=now)
    made: list[str] = []
    own: set[str] = set()
    known: set[str] = set()
    seen: dict[str, list[int] | None] = {}
    ran: list[str] = []
    lines = (
        log.read_text("utf8", "surrogateescape").splitlines() if log.exists() else []
    )
    for line in lines:
        entry: dict[str, Any] = json.loads(line)
        event, path = entry["event"], entry["path"]
        if event == "fault":
            raise RuntimeError(f"what a chapter reads could not be recorded: {path}")
        if path in own or any(path.startswith(folder) for folder in made):
            continue
        if event == "made":
            made.append(path + "/")
            own.add(path)
        elif event == "wrote":
            if path not in known:
                own.add(path)
            continue
        name = _relative(root, path)
        if event == "read":
            seen.setdefault(path, entry["seen"])
        elif event == "ran":
            ran.append(path)
        elif event == "listed":
            found["listed"].setdefault(name, entry["entries"])
        elif event == "looked":
            found["looked"].setdefault(name, entry["kind"])
        elif event == "sought":
            folder, _, module = path.rpartition("/")
            if folder in own or any(folder.startswith(f) for f in made):
                continue
            names = found["sought"].setdefault(_relative(root, folder), {})
            names.setdefault(module, entry["there"])
        if event == "read" or (event == "looked" and entry["kind"] != MISSING):
            known.add(path)
    for path, status in seen.items():
        found["read"][_relative(root, path)] = _settled(path, status)
    code = [*(cell.encode() for cell in cells), *map(_content, ran)]
    introspects = any(map(INTROSPECTION.search, code)) or any(map(_ASKED.search, cells))
    for path in ran:
        if introspects:
            found["read"].setdefault(_relative(root, path), content_digest(path))
        found["ran"][_relative(root, path)] = digest_of_code(path)
    return found


def changes(root: Path, kept: Manifest, now: dict[str, str]) -> str | None:
    """Return the first thing that is not as it was, or nothing.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    kept : Manifest
        What a run depended on.
    now : dict of str to str
        What `versions` gives.
    """
    for name, version in kept["versions"].items():
        if now.get(name) != version:
            return name
    for ways, digest in (
        (kept["ran"], digest_of_code),
        (kept["read"], content_digest),
        (kept["looked"], kind_of),
        (kept["listed"], entries_of),
    ):
        for name, before in ways.items():
            if digest(str(root / name)) != before:
                return name
    for name, modules in kept["sought"].items():
        there = importable(str(root / name))
        for module, before_there in modules.items():
            if there.get(module, []) != before_there:
                return f"{name}/{module}"
    return None


def content_digest(path: str) -> str:
    """Return a hash of a file's bytes, or what is in its place."""
    try:
        status = Path(path).stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError):
        return kind_of(path)


def digest_of_code(path: str) -> str:
    """Return a hash of what a module does; of one that is no Python, of its bytes."""
    try:
        status = Path(path).stat()
        return _code_digest(path, status.st_mtime_ns, status.st_size)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return content_digest(path)


# A file's status is part of the question: in a process that builds several times, an
# answer holds until the file changes.
@lru_cache(maxsize=10_000)
def _digest(path: str, mtime: int, size: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=10_000)
def _code_digest(path: str, mtime: int, size: int) -> str:
    return code_digest(Path(path))


def _settled(path: str, status: list[int] | None) -> str:
    """Return the digest of what was read, if it is still what was read."""
    if status is None:
        return MISSING
    try:
        now = Path(path).stat()
    except OSError:
        return UNSETTLED
    if [now.st_mtime_ns, now.st_size] != status:
        return UNSETTLED
    return content_digest(path)


def _content(path: str) -> bytes:
    """Return a module's bytes; none if it is gone."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _relative(root: Path, path: str) -> str:
    """Return a path as seen from the repository, if it lies there."""
    for base in (root, root.resolve()):
        if Path(path).is_relative_to(base):
            return str(Path(path).relative_to(base))
    return path


def versions(root: Path) -> dict[str, str]:
    """Return the versions on which every chapter depends.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    """
    found = {"Python": platform.python_version()}
    names = {"descent"}
    for name in ("requirements.txt", "constraints.txt"):
        text = (root / name).read_bytes() if (root / name).exists() else b""
        found[name] = hashlib.sha256(text).hexdigest()
        names |= set(re.findall(r"^([\w.-]+)==", text.decode(), re.MULTILINE))
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # What is not there was not used; it may come later, for the tests.
            continue
    here = Path(__file__).parent
    for name in ("dependencies.py", "kernel_client.py", "recorder/hook.py"):
        found[f"book/_ext/{name}"] = digest_of_code(str(here / name))
    return found
