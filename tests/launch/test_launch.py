"""A launched chapter runs from top to bottom, and gives what it shows already."""

import hashlib
import os
from pathlib import Path
from typing import Any

import jupytext
import pytest
from launching import Cell, Server, published, shown

from book import with_cells

BROKEN = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---

# A chapter

```{code-cell} ipython3
:tags: [raises-exception]
1 / 0
```

```{code-cell} ipython3
rate = 0.1
rat + 1
```
"""

# All take minutes, and in the build they have run in the same way. Who changes how
# chapters are launched sets DESCENT_EVERYTHING.
LAUNCHED = with_cells() if os.environ.get("DESCENT_EVERYTHING") else ["line"]
each_chapter = pytest.mark.parametrize("name", LAUNCHED)

Runs = dict[str, list[Cell] | AssertionError]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """Return what was run so far, so that every chapter runs once."""
    return {}


def run(server: Server, name: str, runs: Runs) -> list[Cell]:
    if name not in runs:
        try:
            runs[name] = server.run(f"{name}.ipynb")
        except AssertionError as error:
            runs[name] = error
    found = runs[name]
    if isinstance(found, AssertionError):
        pytest.fail(str(found), pytrace=False)
    return found


def test_there_are_chapters():
    assert "line" in with_cells()


@each_chapter
def test_chapter_shows_what_it_showed_before_it_ran(
    server: Server, name: str, runs: Runs
):
    before = [cell for cell in published(name).cells if cell.cell_type == "code"]
    cells = run(server, name, runs)
    assert any(shown(cell.outputs) for cell in cells), "nothing came out of any cell"
    for cell, built in zip(cells, before, strict=True):
        now, then = shown(cell.outputs), shown(built.outputs)
        if now != then:
            pytest.fail(
                f"{name}.ipynb, code cell {cell.number}, gave\n"
                f"{brief(cell.outputs)}\nwhere the page has\n{brief(built.outputs)}"
                f"\n\n{cell.source}",
                pytrace=False,
            )


@each_chapter
def test_chapter_leaves_room_in_the_memory_of_binder(
    server: Server, name: str, runs: Runs
):
    run(server, name, runs)
    assert server.peaks[f"{name}.ipynb"] < 1000  # of the 2000 that there are


def brief(outputs: list[dict[str, Any]]) -> str:
    """Return outputs so that a person can compare them."""
    found = []
    for kind, content in shown(outputs):
        text = str(content)
        if len(text) > 1000:
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            text = f"{len(text)} characters, sha256 {digest}"
        found.append(f"    {kind}: {text}")
    return "\n".join(found) or "    nothing"


def test_a_broken_chapter_is_told(server: Server):
    broken = jupytext.reads(BROKEN, fmt="md:myst")
    with pytest.raises(AssertionError) as told:
        server.run("broken.ipynb", broken)
    message = str(told.value)
    assert "broken.ipynb, code cell 2 of 2, stopped with NameError" in message
    assert "    rat + 1" in message
    assert "Traceback" in message

    broken.cells[1].source = "rate = 1"
    with pytest.raises(AssertionError, match="code cell 1 of 2, is tagged"):
        server.run("broken.ipynb", broken)


def test_a_launch_leaves_the_readers_own_configuration_alone(
    server: Server, home: Path
):
    assert (home / ".jupyter/jupyter_server_config.json").exists()
    assert home != Path.home()
