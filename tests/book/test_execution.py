"""Faults planted in cells: each stops the run, and says chapter, cell, line and why."""

import os
import time
from pathlib import Path

import nbformat
import pytest
import zmq
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import kernel_client
from glued_numbers import faults
from kernel_client import ChapterClient, ChapterError, media_size, merged

# Far below a cell's own limit of time, which would stop an endless cell in the end.
SOON = 45


def run(client: ChapterClient) -> None:
    """Run a chapter as a build does: where a kernel sees pytest, it is deaf to C."""
    seen = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    client.run(cwd=str(client.home), env=seen)


def planted(tmp_path: Path, code: str, *tags: str, timeout: int = 300) -> ChapterClient:
    """Return a client for a chapter whose second of three cells has a fault."""
    notebook = new_notebook(
        cells=[
            new_code_cell("first = 1"),
            new_markdown_cell("Prose."),
            new_code_cell(code, metadata={"tags": list(tags)}),
            new_code_cell("last = 3"),
        ]
    )
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return ChapterClient(
        notebook, "book/planted.md", [3, 7, 9, 20], tmp_path, timeout=timeout
    )


def complaint(client: ChapterClient) -> str:
    """Return what the author reads."""
    with pytest.raises(ChapterError) as caught:
        run(client)
    text = str(caught.value)
    assert text.startswith("book/planted.md, cell 2 of 3 (line 9): "), text
    return text


PLANTS = {
    "a warning": ("import warnings\nwarnings.warn('mind the gap')", "mind the gap"),
    "a log": ("import logging\nlogging.error('logged')", "logged"),
    "a print": ("import sys\nprint('aside', file=sys.stderr)", "aside"),
    "a library in C": ("import os\n_ = os.write(2, b'from below')", "from below"),
    "a command": (
        "import subprocess\n_ = subprocess.run('echo from a command >&2', shell=True)",
        "from a command",
    ),
    "a long line": ("print('planted ' * 700_000)", "100,000"),
    "many lines": ("for i in range(500_000):\n    print(i)", "100,000"),
    "no end": ("while True:\n    print()", "100,000"),
    "no end, and cleared": (
        "from IPython.display import clear_output\n"
        "while True:\n    print('x' * 1000)\n    clear_output(wait=True)",
        "100,000",
    ),
    "many streams": (
        "for i in range(30_000):\n    print('some words ' * 5, flush=True)",
        "100,000",
    ),
    "a large picture": (
        "from IPython.display import Image\nImage(data=b'\\x89PNG\\r\\n\\x1a\\n'"
        " + bytes(50_000_000), format='png')",
        "3,000,000",
    ),
    "much HTML": (
        "from IPython.display import HTML\nHTML('<p>much</p>' * 1_000_000)",
        "3,000,000",
    ),
    "a deep value": (
        "from IPython.display import display\ndeep = []\nfor _ in range(200):\n"
        "    deep = [deep]\ndisplay({'application/json': deep}, raw=True)",
        "levels deep",
    ),
    "many outputs": (
        "from IPython.display import display\nfor i in range(5000):\n    display(i)",
        "200",
    ),
    "an endless display": (
        "from IPython.display import display\nshown = display(0, display_id=True)\n"
        "while True:\n    shown.update('again')",
        "200",
    ),
    "a long error": ("raise ValueError('x' * 5_000_000)", "100,000"),
    "memory": (
        "import time\nlarge = bytearray(b'x') * 1_200_000_000\ntime.sleep(300)",
        "GB of memory",
    ),
    "memory of a child": (
        "import subprocess, sys\n_ = subprocess.run([sys.executable, '-c', "
        "'import time; large = bytearray(b\"x\") * 1_200_000_000; time.sleep(300)'])",
        "GB of memory",
    ),
    "killed": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "the kernel died (signal SIGKILL: probably out of memory)",
    ),
    "left": ("import os\nos._exit(3)", "the kernel died (exit code 3)"),
}


# What depends on how a kernel was started, and how it ends.
STARTED = ("a library in C", "killed", "left")


@pytest.mark.parametrize("plant", PLANTS)
def test_a_fault_stops_the_run_and_is_named(plant, tmp_path, request):
    if plant not in STARTED:
        request.getfixturevalue("forked_kernels")
    code, words = PLANTS[plant]
    start = time.monotonic()
    text = complaint(planted(tmp_path, code))
    assert words in text
    assert len(text) < 5_000
    # Not by the clock of the cell: what has no end must not be waited for.
    assert time.monotonic() - start < SOON


def test_a_cell_that_takes_too_long_is_named(tmp_path, forked_kernels):
    text = complaint(planted(tmp_path, "while True:\n    pass", timeout=1))
    assert "longer than the 1 s" in text


def test_the_cause_of_an_error_comes_last(tmp_path, forked_kernels):
    code = "def deep(n):\n    return 1 / n if n == 0 else deep(n - 1)\n\n\ndeep(40)"
    lines = complaint(planted(tmp_path, code)).splitlines()
    assert lines[-3:] == [
        "book/planted.md, cell 2 of 3 (line 9) failed:",
        "    deep(40)",
        "ZeroDivisionError: division by zero",
    ]


def test_a_cell_says_by_a_tag_what_it_means_to_show(tmp_path, forked_kernels):
    code = "import warnings\nwarnings.warn('shown on purpose')"
    client = planted(tmp_path, code, kernel_client.SHOWS_WARNINGS)
    run(client)
    (output,) = client.nb.cells[2].outputs
    assert output.name == "stderr"
    assert "shown on purpose" in output.text


def test_an_intended_error_is_none(tmp_path, forked_kernels):
    client = planted(tmp_path, "1 / 0", "raises-exception")
    run(client)
    assert client.nb.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert client.nb.cells[3].execution_count == 3


def test_the_end_of_a_run_waits_for_no_context(tmp_path, monkeypatch):
    # That can take for ever: https://github.com/jupyter/jupyter_client/issues/771
    ended = []
    monkeypatch.setattr(zmq.Context, "term", lambda self: ended.append(self))
    run(planted(tmp_path, "1 + 1"))
    assert ended == []


def test_memory_is_the_kernels_own(tmp_path):
    filled = bytearray(b"x") * 300_000_000
    client = planted(tmp_path, "held = bytearray(b'x') * 100_000_000")
    run(client)
    assert len(filled) > client.peak > 100_000_000


def test_streams_are_put_together_as_a_terminal_shows_them():
    outputs = [
        new_output("stream", name="stderr", text="aside\n"),
        new_output("stream", name="stdout", text="one\nhal"),
        new_output("display_data", data={"text/plain": "shown"}),
        new_output("stream", name="stdout", text="f\n10 %\r20 %\r\n"),
    ]
    shown = merged(outputs)
    assert [output.output_type for output in shown] == [
        "stream",
        "display_data",
        "stream",
    ]
    assert shown[0].text == "one\nhalf\n20 %\n"
    assert shown[2].text == "aside\n"


def test_the_size_of_an_output_counts_what_is_inside():
    picture = nbformat.from_dict({"image/png": "x" * 1000, "text/html": ["y" * 500]})
    assert 1500 < media_size(picture) < 1600


def test_wrong_numbers_in_the_text_are_named():
    glued = [
        new_output(
            "display_data",
            data={"application/papermill.record/text/plain": value},
            metadata={"scrapbook": {"name": name}},
        )
        for name, value in (("slope", "1.5"), ("name", "'Ada'"))
    ]
    notebook = new_notebook(cells=[new_code_cell("glue()", outputs=glued)])
    text = (
        "# Title\n\n{glue:text}`slope:.2f`, {glue:text}`slope:.2q`.\n"
        "{glue:text}`name`, {glue:text}`name:.2f`, {glue:text}`nobody`.\n"
        "    caption: At {glue:text}`lope:.1f`.\n"
    )
    wrong = list(faults(notebook, "book/planted.md", text))
    assert [fault.partition(": ")[0] for fault in wrong] == [
        f"book/planted.md, line {line}" for line in (3, 4, 4, 5)
    ]
    assert "'.2q' does not fit the glued value 1.5" in wrong[0]
    assert "'.2f' does not fit the glued value 'Ada'" in wrong[1]
    assert "no cell of this chapter glues 'nobody'" in wrong[2]
    assert "is it 'slope' that you mean?" in wrong[3]
