"""`make` and its tools stop with one line that says why, and leave nothing behind."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from book import ROOT


def run(
    *command: str | Path, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    makes = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "PYTHON", "PORT")
    outside_of_make = {k: v for k, v in os.environ.items() if k not in makes}
    return subprocess.run(
        command,
        cwd=cwd,
        # A make that runs the tests is none of this one's business.
        env={**outside_of_make, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def old_python(folder: Path) -> Path:
    """Return a Python that says that it is 3.10."""
    pretend = "import sys; sys.version_info = (3, 10, 9); exec(sys.argv.pop(1))"
    return program(
        folder / "old-python",
        f'#!/bin/sh\nshift\nexec {sys.executable} -c "{pretend}" "$@"\n',
    )


def test_a_python_that_is_named_and_absent_stops_make():
    done = run("make", "-n", "book", "PYTHON=python3.99")
    assert done.returncode != 0
    assert "PYTHON=python3.99: there is no such program" in done.stderr
    assert done.stdout == ""


def test_a_python_that_is_named_and_unsupported_stops_make(tmp_path: Path):
    done = run("make", "-n", "book", f"PYTHON={old_python(tmp_path)}")
    assert done.returncode != 0
    assert "Python 3.10 is not supported: choose one from 3.11 to 3.13" in done.stderr


def test_a_python_that_is_named_has_an_environment_of_its_own():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = run("make", "-n", "-B", "book", f"PYTHON={sys.executable}")
    assert f"tools/make-venv .venv-{version}\n" in done.stdout
    # And without a name there is the one that there always was.
    assert "tools/make-venv .venv\n" in run("make", "-n", "-B", "book").stdout


def test_by_hand_an_unsupported_python_is_told_before_anything_is_fetched(
    tmp_path: Path,
):
    text = (ROOT / "requirements.txt").read_text("utf8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    # pip prepares a folder before it looks for anything that has only a name.
    assert lines[:2] == ["-c constraints.txt", "-e .[book]"]
    done = run(
        *(old_python(tmp_path), "-c"),
        "__file__ = 'setup.py'; exec(open(__file__).read())",
    )
    assert done.returncode == 1
    assert done.stderr == "Descent needs a Python from 3.11 to 3.13, this is 3.10.\n"


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("tool", ["serve", "watch"])
def test_a_taken_port_is_told_in_one_line(tool: str):
    with taken_port() as port:
        done = run(sys.executable, f"tools/{tool}", PORT=str(port))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Port {port}: ")
    assert "PORT=" in line


@pytest.mark.parametrize("port", ["0", "http", "65536", "-1"])
def test_a_port_that_is_none_is_told_in_one_line(port: str):
    done = run(sys.executable, "tools/serve", PORT=port)
    assert done.returncode == 1
    assert done.stderr == f"PORT must be a number from 1 to 65535, got {port}\n"


def test_an_audit_of_a_page_that_is_not_there_says_so(tmp_path: Path):
    (tmp_path / "line.html").touch()
    done = run("tools/audit/run", "line", "nowhere", DESCENT_SITE=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "There is no page nowhere; there are: line\n"


def test_watching_goes_on_from_the_runs_of_the_book(tmp_path: Path):
    from execution import FOLDER  # takes a second

    for name in ("watch", "book.py", "port.py"):
        (tmp_path / "tools").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    # What would watch says where it would write.
    (tmp_path / "sphinx_autobuild.py").write_text("import sys; print(sys.argv[-1])")
    with taken_port() as port:
        pass  # now it is free
    for _ in range(2):
        done = run(
            *(sys.executable, "tools/watch"),
            cwd=tmp_path,
            PYTHONPATH=str(tmp_path),
            PORT=str(port),
        )
        assert done.returncode == 0, done.stderr
        pages = Path(done.stdout.splitlines()[-1])
        kept = (pages.parent / FOLDER).resolve()
        assert kept == tmp_path.resolve() / "book/_build" / FOLDER
        assert kept.is_dir()


def find_browser(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "tools/browsers.py", name, "--install", **environment)


def test_a_browser_that_is_named_and_absent_is_told():
    done = find_browser("chromium", DESCENT_CHROMIUM="/no/browser")
    assert done.returncode == 1
    assert done.stderr == "DESCENT_CHROMIUM=/no/browser: there is no such program\n"


@pytest.mark.parametrize("apt", ["", "#!/bin/sh\necho no network >&2; exit 100\n"])
def test_where_no_second_browser_can_be_had_its_tests_are_left_out(
    tmp_path: Path, apt: str
):
    folder = tmp_path / "bin"
    folder.mkdir()
    if apt:
        program(folder / "apt-get", apt)
        program(folder / "sudo", '#!/bin/sh\nshift; exec "$@"\n')
        # Only the shell that is named in these programs, none that asks a network.
        (folder / "env").symlink_to("/usr/bin/env")
    done = find_browser("firefox", PATH=str(folder), DESCENT_FIREFOX="")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "Tests in Firefox are left out: " in done.stderr
    assert ("no network" in done.stderr) == bool(apt)


def test_a_distribution_without_the_first_package_has_the_next(tmp_path: Path):
    program(
        tmp_path / "apt-get",
        f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
case "$*" in
    *headless*) echo unable to locate package >&2; exit 100;;
    *install*) /bin/ln -s /bin/true {tmp_path}/chromium;;
esac
""",
    )
    program(tmp_path / "sudo", '#!/bin/sh\nexec "$@"\n')
    done = find_browser("chromium", PATH=str(tmp_path), DESCENT_CHROMIUM="")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/chromium\n"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[-1] for line in asked][1:] == [
        "chromium-headless-shell",
        "chromium",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch has no CUDA")
@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("exit 0", "--extra-index-url https://download.pytorch.org/whl/cpu\n"),
        ("exit 1", ""),
        pytest.param("sleep 50", "", marks=pytest.mark.slow),
    ],
)
def test_pytorchs_index_is_used_where_it_answers(
    tmp_path: Path, answer: str, option: str
):
    # In place of the Python that asks for it.
    program(tmp_path / "bin" / "python", f"#!/bin/sh\n{answer}\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if k != "PIP_EXTRA_INDEX_URL"}
    environment["PATH"] = path
    done = subprocess.run(
        ["tools/torch-index"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert done.stdout == option
    assert bool(done.stderr) == (option == "")
    # Who has an index of their own decides, be it for none.
    for own in ("", "https://example.org/simple"):
        done = run("tools/torch-index", PATH=path, PIP_EXTRA_INDEX_URL=own)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_distclean_leaves_nothing_that_is_not_in_the_repository(tmp_path: Path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    run("git", "init", "--quiet", cwd=tmp_path)
    patterns = (ROOT / ".gitignore").read_text("utf8").split()
    made = {
        ".venv*/": [".venv", ".venv-3.12"],
        "*.egg-info/": ["src/descent.egg-info"],
        "node_modules/": ["tools/audit/node_modules"],
        "__pycache__/": ["tests/__pycache__", "src/descent/__pycache__"],
        ".ipynb_checkpoints/": ["book/.ipynb_checkpoints"],
    }
    for pattern in patterns:
        for name in made.get(pattern, [pattern.rstrip("/")]):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "something").touch()
    listing = ("git", "clean", "--dry-run", "-d", "-X")
    assert len(run(*listing, cwd=tmp_path).stdout.splitlines()) >= len(patterns)
    done = run("make", "distclean", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert run(*listing, cwd=tmp_path).stdout == ""


def test_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text("utf8")
    targets = re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE)
    listed = [line.split()[0] for line in run("make", "help").stdout.splitlines()]
    assert listed == targets
