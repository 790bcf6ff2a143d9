"""Whatever a chapter reads while it runs counts, and nothing else does."""

import textwrap
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook

import descent
from dependencies import changes, manifest, recorder_settings, versions
from kernel_client import ChapterClient, kernel_environment

# Each line reads one file, or asks for one, in another way.
READS = """
!cat data/bang.csv
listing = !cat data/caught.csv
import colorsys, csv, glob, json, linecache, os, sqlite3, subprocess, sys, tempfile
from pathlib import Path
import numpy as np
here = Path("data")
a = (here / "path.csv").read_text()
b = list(csv.reader(open("data/opened.csv")))
c = np.loadtxt("data/numpy.csv")
d = np.load("data/array.npy")
e = json.load(open(here / "value.json"))
f = sqlite3.connect("file:data/base.db?mode=ro", uri=True).execute("select 1")
g = sorted(here.glob("many/*"))
h = os.listdir("data/listed")
i = (here / "later.csv").exists()
j = os.path.exists("data/later-too.csv")
try:
    open("data/missing.csv")
except FileNotFoundError:
    pass
k = subprocess.run([sys.executable, "-c", "open('data/child.csv').read()"])
l = subprocess.run(["cat", "data/command.csv"], capture_output=True)
m = subprocess.run("cat data/shell.csv | wc", shell=True, capture_output=True)
import seeded
n = linecache.getlines("program.py")
os.chdir("data")
o = open("moved.csv").read()
p = os.path.getsize("sized.bin")
os.chdir("..")
import helper
import package.inner
try:
    import optional
except ImportError:
    optional = None
sys.path.insert(0, "vendored")
import vended
made = Path(tempfile.mkdtemp()) / "own.txt"
made.write_text("own")
q = made.read_text()
if not Path("passing.txt").exists():
    Path("passing.txt").write_text("own")
    Path("passing.txt").read_text()
    Path("passing.txt").unlink()
Path("product.txt").write_text("own")
r = Path("product.txt").read_text()
s = os.fork()
if s == 0:
    open("data/forked.csv").read()
    os._exit(0)
os.waitpid(s, 0)
t = __import__("threading").Thread(target=open, args=("data/thread.csv",))
t.start(); t.join()
from multiprocessing import get_context
"""

NAMES = [
    "path.csv",
    "bang.csv",
    "caught.csv",
    "opened.csv",
    "numpy.csv",
    "value.json",
    "child.csv",
    "command.csv",
    "shell.csv",
    "moved.csv",
    "forked.csv",
    "thread.csv",
    "sized.bin",
    "many/one",
    "listed/one",
]


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """A repository in which a chapter has run, and what it depends on."""
    root = tmp_path_factory.mktemp("repository")
    book = root / "book"
    data = book / "data"
    for name in NAMES:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("1\n")
    import sqlite3

    import numpy as np

    np.save(data / "array.npy", np.ones(3))
    sqlite3.connect(data / "base.db").execute("create table t (x)").connection.close()
    (book / "program.py").write_text("shown = 1\n")
    seeded = "import torch\n\ndef draw():\n    torch.manual_seed(0)\n\ndraw()\n"
    (book / "seeded.py").write_text(seeded)
    (book / "helper.py").write_text('"""Doc."""\nimport deeper\n')
    (book / "deeper.py").write_text("def f():\n    'Doc.'\n    return 1\n")
    (book / "package").mkdir()
    (book / "package" / "__init__.py").write_text("")
    (book / "package" / "inner.py").write_text("x = 1\n")
    (book / "vendored").mkdir()
    (book / "vendored" / "vended.py").write_text("x = 1\n")
    (root / "requirements.txt").write_text("numpy==1\n")
    (root / "constraints.txt").write_text("numpy==1\n")
    return root, run(root, READS, tmp_path_factory.mktemp("run"))


def run(root: Path, code: str, home: Path):
    """Run one cell; return its manifest."""
    notebook = new_notebook(cells=[new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python"}
    log = home / "read.jsonl"
    client = ChapterClient(notebook, "book/reads.md", [1], home)
    settings = recorder_settings(root, log)
    client.run(cwd=str(root / "book"), env=kernel_environment(settings, home))
    return manifest(root, log, [code], versions(root))


def change(root, kept, file: str, text: str | None) -> str | None:
    """Return what `changes` says while a file has another content, or is not there."""
    path = root / file
    before = path.read_bytes() if path.exists() else None
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        return changes(root, kept, versions(root))
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def test_nothing_has_changed(chapter):
    root, kept = chapter
    assert changes(root, kept, versions(root)) is None


@pytest.mark.parametrize(
    "name",
    [n for n in NAMES if "/" not in n] + ["array.npy", "base.db"],
)
def test_a_file_counts_however_it_is_read(chapter, name):
    root, kept = chapter
    assert change(root, kept, f"book/data/{name}", "22\n") == f"book/data/{name}"
    assert change(root, kept, f"book/data/{name}", None) == f"book/data/{name}"


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("book/data/many/two", "book/data/many"),
        ("book/data/listed/two", "book/data/listed"),
        ("book/data/later.csv", "book/data/later.csv"),
        ("book/data/later-too.csv", "book/data/later-too.csv"),
        ("book/data/missing.csv", "book/data/missing.csv"),
        ("book/optional.py", "book/optional"),
        ("book/vendored/optional.py", None),
        ("book/deeper/__init__.py", "book/deeper"),
        # What would be imported instead of what was.
        ("book/colorsys.py", "book/colorsys"),
        ("book/package/inner/__init__.py", "book/package/inner"),
    ],
)
def test_what_appears_counts_where_it_was_looked_for(chapter, file, named):
    root, kept = chapter
    assert change(root, kept, file, "x = 5\n") == named
    for folder in ("deeper", "package/inner"):
        if (root / "book" / folder).exists():
            (root / "book" / folder).rmdir()


@pytest.mark.parametrize(
    "module",
    ["helper.py", "deeper.py", "package/inner.py", "vendored/vended.py", "seeded.py"],
)
def test_a_module_counts_by_what_it_does(chapter, module):
    root, kept = chapter
    text = (root / "book" / module).read_text()
    explained = f'"""Another docstring."""\n\n# A comment.\n{text}\n\n# More.\n'
    explained = explained.replace("'Doc.'", "'Better.'")
    assert change(root, kept, f"book/{module}", explained) is None
    assert change(root, kept, f"book/{module}", f"{text}\ny = 2\n") == f"book/{module}"
    assert change(root, kept, f"book/{module}", None) == f"book/{module}"


def test_a_module_that_was_read_counts_by_its_bytes(chapter):
    root, kept = chapter
    comment = "shown = 1  # a comment\n"
    assert change(root, kept, "book/program.py", comment) == "book/program.py"


def test_what_the_run_made_and_what_it_left_alone_do_not_count(chapter):
    root, kept = chapter
    assert change(root, kept, "book/product.txt", "another") is None
    assert change(root, kept, "book/unread.csv", "1") is None
    assert not [name for name in kept["read"] if "own.txt" in name]
    package = str(Path(descent.__file__).parent)
    counted = [name for name in (*kept["read"], *kept["ran"]) if name.startswith("/")]
    assert [name for name in counted if not name.startswith(package)] == []


def test_pins_and_versions_count(chapter):
    root, kept = chapter
    assert change(root, kept, "constraints.txt", "numpy==2\n") == "constraints.txt"
    assert change(root, kept, "requirements.txt", "numpy==2\n") == "requirements.txt"
    assert changes(root, kept, {**versions(root), "numpy": "0"}) == "numpy"
    # For the tests, say: nothing of it was there when the chapter ran.
    assert changes(root, kept, {**versions(root), "newcomer": "1"}) is None


@pytest.mark.parametrize(
    "code",
    [
        "import helper\nprint(helper.__doc__)",
        "import helper, inspect\nprint(inspect.getdoc(helper))",
        "import helper\nhelp(helper)",
        "import helper\nhelper?",
        "import deeper, inspect\nprint(inspect.getsource(deeper))\nimport helper",
        "import seeded, linecache\nprint(linecache.getline('seeded.py', 1))",
    ],
)
@pytest.mark.usefixtures("forked_kernels")
def test_code_that_looks_at_docstrings_depends_on_them(chapter, tmp_path, code):
    root, _ = chapter
    kept = run(root, code, tmp_path)
    shown = next(name for name in ("seeded", "deeper", "helper") if name in code)
    named = f"book/{shown}.py"
    text = (root / named).read_text() + "# A comment.\n"
    assert change(root, kept, named, text) == named


def test_a_file_that_changes_while_the_chapter_runs_is_never_trusted(chapter, tmp_path):
    root, _ = chapter
    counter = root / "book" / "counter.txt"
    counter.write_text("1")
    code = """\
        from pathlib import Path
        counter = Path("counter.txt")
        counter.write_text(str(int(counter.read_text()) + 1))
    """
    kept = run(root, textwrap.dedent(code), tmp_path)
    assert changes(root, kept, versions(root)) == "book/counter.txt"
