"""The kept runs: never stale, never in the way, never broken for good."""

import os
import re
import signal
import subprocess
import time
from importlib import metadata

from building import cell

DATA = """from pathlib import Path
print("measured", Path("planted.csv").read_text().strip())
print("there", sorted(path.name for path in Path("../experiments").glob("*.csv")))
"""

CHAPTERS = {
    "direct": "from descent.fact import answer\nprint('direct', answer)",
    "through": "from descent.middle import doubled\nprint('doubled', doubled)",
    "other": "from descent.other import name\nprint('named', name)",
    "data": DATA,
    "shows": (
        "import inspect\nfrom descent import other\nprint(inspect.getsource(other))"
    ),
    "exercise": (
        "from descent.exercises import check\ncheck('line-count', None)\n"
        "from descent.page.explorable import bundle"
    ),
}


def test_a_chapter_runs_when_what_it_read_has_changed_and_only_then(small_book):
    package = small_book.root / "src" / "descent"
    fact, other = package / "fact.py", package / "other.py"
    sick = package / "exercises" / "sick.py"
    csv = small_book.book / "planted.csv"
    second = small_book.root / "experiments" / "second.csv"
    (package / "middle.py").write_text(
        "from descent.fact import answer\n\ndoubled = 2 * answer\n"
    )
    other.write_text("name = 'Ada'\n")
    csv.write_text("7\n")
    for name, code in CHAPTERS.items():
        small_book.chapter(name, "Some prose.", cell(code))

    def build() -> set[str]:
        outcome = small_book.build()
        assert outcome.status == 0, outcome.said
        return {name for name in CHAPTERS if outcome.ran(name)}

    assert build() == set(CHAPTERS)
    assert "doubled 82" in small_book.page("through")

    # Prose, docstrings and comments run nothing; but what shows a comment shows it. A
    # module runs who uses it, also through others; data run who reads them. The
    # exercises of another chapter are none of anybody's.
    small_book.chapter("other", "Better prose.", cell(CHAPTERS["other"]))
    other.write_text('"""Names."""\n\nname = "Ada"  # of all people\n')
    fact.write_text("answer = 42\n")
    csv.write_text("8\n")
    sick.write_text(sick.read_text() + "\nANOTHER = 1\n")
    assert build() == {"shows", "direct", "through", "data"}
    assert "Better prose." in small_book.page("other")
    notebook = small_book.html / "notebooks" / "other.ipynb"
    assert "named Ada" in notebook.read_text("utf8")
    assert "of all people" in small_book.page("shows")
    assert "direct 42" in small_book.page("direct")
    assert "doubled 84" in small_book.page("through")
    assert "measured 8" in small_book.page("data")

    # Back to what was there before: the runs of that state are still at hand. But data
    # that is listed has one file more.
    fact.write_text("answer = 41\n")
    csv.write_text("7\n")
    second.write_text("1\n")
    assert build() == {"data"}
    assert "doubled 82" in small_book.page("through")
    assert "measured 7" in small_book.page("data")
    assert "second.csv" in small_book.page("data")

    # A module that goes.
    other.unlink()
    gone = small_book.build()
    assert gone.status != 0
    ending = gone.said.strip().splitlines()
    assert ending[-1].startswith("ModuleNotFoundError: No module named 'descent.other'")
    assert ending[-3] == "book/other.md, cell 1 of 1 (line 10) failed:"


def test_a_build_of_prose_alone_leaves_the_pages_their_style(small_book):
    small_book.write("page", "# Page\n\nSome prose.\n")
    first = small_book.build()
    assert first.status == 0, first.said
    sheet = small_book.html / "_static" / "book.css"
    whole = sheet.read_text("utf8")
    assert ".bd-header-article" in whole
    script = small_book.html / "_static" / "book.js"
    assert "bootstrap" in script.read_text("utf8")

    small_book.write("page", "# Page\n\nBetter prose.\n")
    assert small_book.build().status == 0
    assert "Better prose." in small_book.page("page")
    assert sheet.read_text("utf8") == whole
    for name in ("page", "index"):
        assert small_book.page(name).count("_static/book.js?v=") == 1

    # What a page has for the first time has its style; and new pins are told.
    pins = small_book.root / "requirements.txt"
    pins.write_text(pins.read_text("utf8") + "nbformat==5\n")
    assert ".admonition.seealso" not in whole
    small_book.write("page", "# Page\n\n```{seealso}\nThe best prose.\n```\n")
    assert small_book.build().status == 0
    assert ".admonition.seealso" in sheet.read_text("utf8")
    assert f"nbformat {metadata.version('nbformat')}" in small_book.page("status")

    # Styles, scripts and what makes a page, alone.
    before = small_book.page("page")
    own = small_book.book / "_static" / "descent.css"
    own.write_text(own.read_text("utf8") + "p { color: rebeccapurple; }\n")
    reading = small_book.book / "_static" / "reading.js"
    reading.write_text(reading.read_text("utf8") + "\n/* read on */\n")
    extension = small_book.book / "_ext" / "repairs.py"
    extension.write_text(extension.read_text("utf8") + "\n# Nothing else.\n")
    assert small_book.build().status == 0
    assert "rebeccapurple" in sheet.read_text("utf8")
    assert "read on" in script.read_text("utf8")
    address = re.compile(r"_static/book\.js\?v=\w+")
    assert address.findall(small_book.page("page")) != address.findall(before)


def test_damaged_runs_are_not_taken(small_book):
    small_book.chapter("uses", cell("print('sound')"))
    assert small_book.build().status == 0
    folder = small_book.book / "_build" / ".executed" / "uses"
    passed = small_book.book / "_build" / ".passed"

    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:50])
    half = small_book.build()
    assert half.status == 0, half.said
    assert half.ran("uses")

    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"sound", b"wrong"))
    passed.unlink()
    wrong = small_book.build()
    assert wrong.status == 0, wrong.said
    assert wrong.ran("uses")
    assert "sound" in small_book.page("uses")


def wait_until(condition, *processes):
    """Wait, but not for processes that have ended."""
    while not condition():
        assert [process.poll() for process in processes] == [None] * len(processes)
        time.sleep(0.05)


def test_a_build_that_is_killed_leaves_nothing_in_the_way(small_book):
    started = small_book.root / "started"
    slow = f"open({str(started)!r}, 'w').close()\n"
    slow += "import time\ntime.sleep(2)\nprint('woke')"
    small_book.chapter("first", cell("print('one')"))
    small_book.chapter("slow", cell(slow))
    build = small_book.begin()
    wait_until(started.exists, build)
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()

    outcome = small_book.build()
    assert outcome.status == 0, outcome.said
    assert "woke" in small_book.page("slow")


def test_two_builds_at_once_do_not_meet(small_book):
    going = small_book.root / "going"
    slow = f"from pathlib import Path\ngoing = Path({str(going)!r})\ngoing.touch()\n"
    # (An end without that, in case that both run it.)
    slow += (
        "import time\nfor _ in range(2400):\n    going.exists() and time.sleep(0.05)"
    )
    small_book.chapter("slow", cell(slow))
    # The first one is the real command, with a kernel that it starts.
    command, options = small_book.command()
    first = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    wait_until(going.exists, first)
    second = small_book.begin()
    waits = re.compile(r"Another build \(process (\d+)\)|Executing notebook")
    wait_until(lambda: waits.search(small_book.said.read_text("utf8")), first, second)
    going.unlink()
    said, _ = first.communicate()
    assert first.returncode == 0, said
    assert "Executing notebook" in said
    assert second.wait() == 0
    assert waits.findall(small_book.said.read_text("utf8")) == [str(first.pid)]


FIGURE = """---
mystnb:
  figure:
    caption: A line.
  image:
    alt: A line that rises to {0}.
---
from descent.page.figures import new_figure, use_style
use_style()
figure, (ax,) = new_figure()
ax.plot([0, {0}]);"""


def test_what_the_book_has_no_more_leaves_the_site(small_book):
    small_book.chapter("stays", cell(FIGURE.format(1)))
    small_book.chapter("goes", cell(FIGURE.format(2)))
    face = small_book.book / "_static" / "face.woff2"
    face.write_bytes(b"")
    first = small_book.build()
    assert first.status == 0, first.said
    site = small_book.html

    def files():
        names = (path.relative_to(site).as_posix() for path in site.rglob("*"))
        return {name for name in names if not name.startswith("_static")}

    before = files()
    (site / "descent.pdf").write_bytes(b"%PDF printed before the next chapter")
    (site / "_sounds").mkdir(exist_ok=True)
    (site / "_sounds" / "unheard.wav").write_bytes(b"")
    small_book.remove("goes")
    assert (site / "_static" / "face.woff2").exists()
    face.unlink()
    second = small_book.build()
    assert second.status == 0, second.said
    after = files()
    assert {name for name in before - after if not name.startswith("_images")} >= {
        "goes.html",
        "_sources/goes.md",
        "notebooks/goes.ipynb",
    }
    assert [name for name in after if "goes" in name] == []
    assert "descent.pdf" not in after
    assert "_sounds/unheard.wav" not in after
    assert not (site / "_static" / "face.woff2").exists()
    pictures = {name for name in after if name.startswith("_images/")}
    assert pictures
    assert len(pictures) == len({n for n in before if n.startswith("_images/")}) / 2
    assert all(name in small_book.page("stays") for name in pictures)


def test_a_chapter_that_is_in_no_table_of_contents_is_named(small_book):
    small_book.chapter("listed", "(ch-listed)=\n", cell("print('one')"))
    small_book.write("refers", "# Refers\n\n{ref}`ch-listed`\n")
    toc = small_book.root / "_toc.yml"
    toc.write_text(toc.read_text().replace("- file: listed\n", ""))
    outcome = small_book.build()
    assert outcome.status != 0
    last = outcome.said.strip().splitlines()[-1]
    assert last == "book/listed.md is not in _toc.yml: list it there, or delete it."
    assert "undefined label" not in outcome.said
