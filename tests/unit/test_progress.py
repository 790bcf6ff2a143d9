"""The bar is there for who watches, and leaves nothing behind."""

import io
import sys
from types import SimpleNamespace

import nbformat
from nbclient import NotebookClient

from descent import progress as module
from descent.progress import progress


def test_an_executed_notebook_shows_nothing():
    code = "from descent.progress import progress\nfor step in progress(range(3)): pass"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    done = NotebookClient(notebook, kernel_name="python3").execute()
    assert done.cells[0].outputs == []


def test_a_notebook_that_is_open_shows_a_bar_and_wipes_it_out(monkeypatch):
    shown = []

    class Handle:
        def display(self, html):
            shown.append(html.data)

        update = display

    kernel = SimpleNamespace(_allow_stdin=True)
    monkeypatch.setattr(module, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setattr(module, "DisplayHandle", Handle)
    monkeypatch.setattr(module, "_EVERY", 0)
    assert list(progress("abc", "Training")) == ["a", "b", "c"]
    assert "Training" in shown[1]
    assert "1 of 3" in shown[1]
    assert shown[-1] == ""


def test_a_terminal_shows_a_bar_also_if_the_loop_ends_early(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "get_ipython", lambda: None)
    monkeypatch.setattr(module, "_EVERY", 0)
    bar = progress(range(4))
    next(bar), next(bar)
    bar.close()
    assert "1 of 4" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_file_gets_nothing(capsys):
    assert list(progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
