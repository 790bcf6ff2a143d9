"""What a chapter reads while it runs, written down as it happens.

Runs inside the kernel. An audit hook hears of every file that Python opens, of every
folder that it lists, of every module that it executes or looks for, and of every
command that it starts; `os.stat` and `os.lstat`, which Python does not audit, are
wrapped. Each kind of access to each path is written once, as one line of JSON, at
once: so nothing is lost when a process dies, and forked children write too.

What code that is not Python opens by itself is not heard of.
"""

from __future__ import annotations

import functools
import hashlib
import json
import linecache
import os
import re
import shlex
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

_stat = os.stat
_lstat = os.lstat

MISSING = "missing"
_IMPORT_SYSTEM = "<frozen importlib._bootstrap_external>"
# What looks for installed packages, on the whole path.
_METADATA = re.compile(r"/(importlib.metadata|pkg_resources)/")


def kind_of(path: str) -> str:
    """Return what a test for existence or size could have seen of a path.

    Parameters
    ----------
    path : str
        The path.

    Returns
    -------
    str
        ``missing``, ``folder``, or ``file`` with its size. A Python file's size says
        nothing: the interpreter asks for it by itself, and comments change it.
    """
    try:
        status = _stat(path)
    except (OSError, ValueError):
        return MISSING
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    return "file" if path.endswith(".py") else f"file of {status.st_size} bytes"


def entries_of(path: str) -> str:
    """Return a hash of the names in a folder, byte code left out.

    Parameters
    ----------
    path : str
        The folder.
    """
    try:
        with os.scandir(path) as entries:
            names = sorted(
                entry.name + "/" * entry.is_dir()
                for entry in entries
                if entry.name != "__pycache__"
            )
    except OSError:
        return MISSING
    return hashlib.sha256("\0".join(names).encode("utf8", "replace")).hexdigest()


class Recorder:
    """Listens to the interpreter and writes down what it reads.

    Parameters
    ----------
    log : str
        The file to append to.
    roots : dict of str to bool
        For folders whether what lies in them counts. The innermost decides; outside
        all of them everything counts.
    """

    def __init__(self, log: str, roots: dict[str, bool]) -> None:
        self.log = log
        self.chosen = roots
        # That the way to these is there says nothing of a chapter.
        self.above = {above for root in roots for above in _above(root)}
        self.roots = sorted(roots.items(), key=lambda root: -len(root[0]))
        self.written: set[tuple[str, str]] = set()
        self.counting: dict[str, bool] = {}
        self.waiting: set[str] = set()
        self.folders: dict[str, tuple[int, dict[str, list[str]]]] = {}
        # Of each thread: what the recorder itself does is not to be heard.
        self.own = threading.local()

    def guarded(self, event: str, hear: Callable[..., None], *args: Any) -> None:
        """Let one access be heard; an error in hearing is written, not raised."""
        if getattr(self.own, "busy", False):
            return
        self.own.busy = True
        try:
            hear(self, *args)
        except Exception as error:
            self.note("fault", f"{event}: {type(error).__name__}: {error}")
        finally:
            self.own.busy = False

    def counts(self, path: str) -> bool:
        """Return whether a path is one on which a chapter may depend."""
        if path == self.log or "/ipykernel_" in path or path.startswith("<"):
            return False
        if path in self.chosen:
            return self.chosen[path]
        folder = path.rpartition("/")[0]
        if folder not in self.counting:
            self.counting[folder] = next(
                (
                    counts
                    for root, counts in self.roots
                    if folder == root or folder.startswith(root.rstrip("/") + "/")
                ),
                True,
            )
        return self.counting[folder]

    def note(self, event: str, path: str, **more: object) -> None:
        """Write one line, unless the same was written before."""
        if (event, path) in self.written:
            return
        self.written.add((event, path))
        line = json.dumps({"event": event, "path": path, **more}) + "\n"
        # Opened anew: a child may have closed all files of its parent.
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(log, line.encode("utf8", "surrogateescape"))
        finally:
            os.close(log)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take one audit event."""
        hear = HEARD.get(event)
        if hear is not None:
            self.guarded(event, hear, *args)

    def opened(self, path: Any, mode: str | None, flags: int) -> None:
        """Hear that a file is about to be opened, or a database."""
        place = _place(path)
        if place is None or not self.counts(place) or getattr(self.own, "quiet", False):
            return
        writes = flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_CREAT
        if writes if mode is None else not set(mode).isdisjoint("wxa+"):
            fresh = flags & (os.O_TRUNC | os.O_EXCL)
            if mode is not None:
                fresh = not set(mode).isdisjoint("wx")
            # What is changed in its place is read first, if it is there.
            if fresh or kind_of(place) == MISSING:
                self.note("wrote", place)
                return
        if place.endswith((".py", ".pyc")):
            reader = _reader_of_code()
            if reader == "import":
                return  # Its execution is heard of, too.
            if reader == "digest":
                self.note("ran", place)
                return
        self.read(place)

    def read(self, place: str) -> None:
        """Write that the content of a file is needed, and what it looked like."""
        try:
            status = _stat(place)
            seen = [status.st_mtime_ns, status.st_size]
        except (OSError, ValueError):
            seen = None
        self.note("read", place, seen=seen)

    def shown(self, path: Any) -> None:
        """Hear that a file's lines are about to be shown, perhaps from memory."""
        place = _place(path)
        if place is not None and self.counts(place) and kind_of(place) != MISSING:
            self.read(place)

    def listed(self, path: Any = None) -> None:
        """Hear that the names in a folder are about to be read."""
        place = _place("." if path is None else path)
        # Python lists folders to find modules; what it looks for is heard of.
        caller = sys._getframe(3).f_code.co_filename
        if place is None or caller == _IMPORT_SYSTEM or _METADATA.search(caller):
            return
        if self.counts(place + "/") and ("listed", place) not in self.written:
            self.note("listed", place, entries=entries_of(place))

    def looked(self, path: Any) -> None:
        """Hear that somebody asks whether a path is there."""
        place = _place(path)
        if place is None or place in self.above or ("looked", place) in self.written:
            return
        if self.counts(place):
            self.note("looked", place, kind=kind_of(place))

    def executed(self, code: Any) -> None:
        """Hear that a module is about to be executed."""
        place = _place(getattr(code, "co_filename", None))
        if place is not None and place.endswith(".py") and self.counts(place):
            there = kind_of(place) != MISSING
            self.note("ran" if there else "looked", place, kind=MISSING)
        # The package of what waits may be there by now, and is asked before it runs.
        waiting, self.waiting = self.waiting, set()
        for name in waiting:
            self.look_for(name)

    def sought(self, name: str, *_: Any) -> None:
        """Hear that a module is looked for, in its package or on the path."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            self.look_for(".".join(parts[:count]))

    def look_for(self, name: str) -> None:
        """Write what an import of a module would find, in all folders that count."""
        package, _, leaf = name.rpartition(".")
        if package and package not in sys.modules:
            self.waiting.add(name)
            return
        for folder in (
            getattr(sys.modules[package], "__path__", ()) if package else sys.path
        ):
            place = _place(folder or ".")
            if place is not None and self.counts(place + "/"):
                there = self.importable(place).get(leaf, [])
                self.note("sought", place + "/" + leaf, there=there)

    def importable(self, folder: str) -> dict[str, list[str]]:
        """Return what imports find in a folder, read again when it has changed."""
        try:
            changed = _stat(folder).st_mtime_ns
        except OSError:
            return {}
        if folder not in self.folders or self.folders[folder][0] != changed:
            self.folders[folder] = changed, importable(folder)
        return self.folders[folder][1]

    def changed(self, source: Any, target: Any, *_: Any) -> None:
        """Hear that a file gets another name."""
        place = _place(target)
        if place is not None and self.counts(place):
            self.note("wrote", place)

    def made(self, path: Any, *_: Any) -> None:
        """Hear that a folder is about to be made."""
        place = _place(path)
        if place is not None and self.counts(place) and kind_of(place) == MISSING:
            self.note("made", place)

    def started(self, executable: Any, words: Any = (), *_: Any) -> None:
        """Hear that a command is about to run, which may read what it names."""
        listed = [words] if isinstance(words, str | bytes) else list(words or ())
        for word in [executable, *listed]:
            for part in _words(word):
                place = _place(part)
                if place is not None and self.counts(place):
                    self.note("looked", place, kind=kind_of(place))
                    if kind_of(place).startswith("file"):
                        self.read(place)


def importable(folder: str) -> dict[str, list[str]]:
    """Return what imports can find in a folder: for each name files and folders.

    Parameters
    ----------
    folder : str
        Where modules are looked for.
    """
    there: dict[str, list[str]] = {}
    try:
        entries = sorted(os.listdir(folder))  # noqa: PTH208 (pathlib would be heard)
    except OSError:
        return {}
    for entry in entries:
        name, _, ending = entry.partition(".")
        if not ending or ending.endswith(("py", "pyc", "so", "pyd")):
            there.setdefault(name, []).append(entry)
    return there


def _place(path: Any) -> str | None:
    """Return a path as a whole, without asking the disk; nothing for a descriptor."""
    if isinstance(path, int) or path is None:
        return None
    text = os.fsdecode(path)
    if not text or "\0" in text or text.startswith("<"):
        return None
    if text.startswith("file:"):
        text = unquote(urlsplit(text).path)
    return os.path.abspath(text)  # noqa: PTH100 (pathlib asks the disk)


def _above(path: str) -> Iterable[str]:
    """Yield the folders in which a folder lies."""
    while path not in ("", "/"):
        path = os.path.dirname(path)  # noqa: PTH120 (pathlib is slow to import)
        yield path


def _words(word: Any) -> Iterable[str]:
    """Return what could be paths in a word of a command, which may be a script."""
    text = os.fsdecode(word) if isinstance(word, str | bytes | os.PathLike) else ""
    if len(text) > 10_000:
        return []
    try:
        return [text, *shlex.split(text)]
    except ValueError:
        return [text, *text.split()]


def _reader_of_code() -> str | None:
    """Return who opens a Python file: the import system, a digest of code, or nobody.

    Anybody else may show the file's comments or count its lines.
    """
    frame: Any = sys._getframe(4)
    for _ in range(6):
        if frame is None:
            return None
        code = frame.f_code
        if code.co_filename == _IMPORT_SYSTEM and code.co_name == "get_code":
            return "import"
        if code.co_name == "code_digest" and code.co_filename.endswith("files.py"):
            return "digest"
        frame = frame.f_back
    return None


HEARD: dict[str, Callable[..., None]] = {
    "open": Recorder.opened,
    "sqlite3.connect": lambda recorder, path: recorder.opened(path, "a", 0),
    "os.listdir": Recorder.listed,
    "os.scandir": Recorder.listed,
    "exec": Recorder.executed,
    "import": Recorder.sought,
    "os.rename": Recorder.changed,
    "os.link": Recorder.changed,
    "os.symlink": Recorder.changed,
    "os.mkdir": Recorder.made,
    "subprocess.Popen": Recorder.started,
    "os.posix_spawn": Recorder.started,
    "os.exec": Recorder.started,
    "os.system": Recorder.started,
}


def _wrap(recorder: Recorder, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `os.stat` or `os.lstat`, heard of."""

    @functools.wraps(original)
    def wrapped(path: Any, *args: Any, **options: Any) -> Any:
        recorder.guarded("stat", Recorder.looked, path)
        return original(path, *args, **options)

    wrapped.__module__ = "os"
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if original in able:
            able.add(wrapped)
    return wrapped


def _wrap_lines(recorder: Recorder) -> Callable[..., list[str]]:
    """Return `linecache.getlines`, heard of.

    PyTorch takes note of its caller's lines whenever the generator is seeded, for an
    error that it may have to raise when CUDA starts. Nobody sees them.
    """
    original = linecache.getlines

    @functools.wraps(original)
    def getlines(filename: str, module_globals: Any = None) -> list[str]:
        frame: Any = sys._getframe(1)
        for _ in range(12):
            if frame is None or frame.f_code.co_name == "_lazy_call":
                break
            frame = frame.f_back
        if frame is not None and frame.f_code.co_name == "_lazy_call":
            recorder.own.quiet = True
            try:
                return original(filename, module_globals)
            finally:
                recorder.own.quiet = False
        recorder.guarded("linecache", Recorder.shown, filename)
        return original(filename, module_globals)

    return getlines


def start(settings: str) -> None:
    """Begin to record in this process.

    Parameters
    ----------
    settings : str
        JSON with `log` and `roots`, as :class:`Recorder` takes them.
    """
    recorder = Recorder(**json.loads(settings))
    os.stat = _wrap(recorder, _stat)
    os.lstat = _wrap(recorder, _lstat)
    linecache.getlines = _wrap_lines(recorder)
    sys.addaudithook(recorder.hear)
