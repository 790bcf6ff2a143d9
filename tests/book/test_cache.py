"""The execution cache: never stale, never in the way, never broken for good."""

import os
import signal
import subprocess
import time

from building import cell

USES_ALL = (
    "from pathlib import Path\n"
    "from descent.fact import answer\n"
    "measured = Path('../experiments/measured.csv').read_text().strip()\n"
    "print(f'found {answer} and {measured}')"
)


def test_what_a_chapter_uses_runs_it_again_and_prose_does_not(small_book):
    small_book.chapter("uses", "Some prose.", cell(USES_ALL))
    first = small_book.build()
    assert first.status == 0, first.said
    assert first.ran("uses")
    assert "found 41 and 7" in small_book.page("uses")

    small_book.chapter("uses", "Better prose.", cell(USES_ALL))
    prose = small_book.build()
    assert prose.status == 0
    assert not prose.ran("uses")
    assert "Better prose." in small_book.page("uses")
    notebook = small_book.html / "notebooks" / "uses.ipynb"
    assert "found 41 and 7" in notebook.read_text("utf8")

    fact = small_book.root / "src" / "descent" / "fact.py"
    fact.write_text("answer = 42\n")
    module = small_book.build()
    assert module.ran("uses")
    assert "found 42 and 7" in small_book.page("uses")

    data = small_book.root / "experiments" / "measured.csv"
    data.write_text("8\n")
    assert small_book.build().ran("uses")
    assert "found 42 and 8" in small_book.page("uses")

    with (small_book.root / "constraints.txt").open("a") as pins:
        pins.write("# another version of something\n")
    assert small_book.build().ran("uses")

    # Back to what was there before: the cache of that state is still at hand.
    data.write_text("7\n")
    fact.write_text("answer = 42\n")
    again = small_book.build()
    assert again.status == 0
    assert "found 42 and 7" in small_book.page("uses")


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


def test_a_damaged_cache_heals_itself(small_book):
    small_book.chapter("uses", cell("print('sound')"))
    assert small_book.build().status == 0
    (home,) = (small_book.book / "_build" / ".jupyter_cache").iterdir()

    (notebook,) = home.glob("executed/*/base.ipynb")
    notebook.write_bytes(notebook.read_bytes()[:50])
    (small_book.book / "_build" / ".passed").unlink()
    half_notebook = small_book.build()
    assert half_notebook.status == 0, half_notebook.said
    assert half_notebook.ran("uses")

    (home / "global.db").write_bytes(b"not a database")
    (small_book.book / "_build" / ".passed").unlink()
    no_database = small_book.build()
    assert no_database.status == 0, no_database.said
    assert no_database.ran("uses")
    assert "sound" in small_book.page("uses")


def test_a_build_that_is_killed_leaves_nothing_in_the_way(small_book):
    started = small_book.root / "started"
    slow = f"open({str(started)!r}, 'w').close()\n"
    slow += "import time\ntime.sleep(2)\nprint('woke')"
    small_book.chapter("first", cell("print('one')"))
    small_book.chapter("slow", cell(slow))
    command, options = small_book.command()
    build = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )
    while not started.exists():
        assert build.poll() is None
        time.sleep(0.05)
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()

    outcome = small_book.build()
    assert outcome.status == 0, outcome.said
    assert "woke" in small_book.page("slow")
