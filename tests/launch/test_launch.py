"""A launched chapter opens as a notebook, runs, and shows what the site shows."""

import hashlib
import os
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from launching import Cell, Server, shown

from book import ROOT, SITE, with_cells

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

Runs = dict[str, list[Cell] | AssertionError]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """Return what was run so far, so that every chapter runs once."""
    return {}


def run(server: Server, name: str, runs: Runs) -> list[Cell]:
    if name not in runs:
        try:
            runs[name] = server.run(f"book/{name}.md")
        except AssertionError as error:
            runs[name] = error
    found = runs[name]
    if isinstance(found, AssertionError):
        pytest.fail(str(found), pytrace=False)
    return found


def test_there_are_with_cells():
    assert "line" in with_cells()


def test_markdown_opens_as_a_notebook(server: Server):
    answer = server.call(
        "GET", "lab/api/settings/@jupyterlab/docmanager-extension:plugin"
    )
    viewers = answer["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers["markdown"] == "Jupytext Notebook"
    assert viewers["myst"] == "Jupytext Notebook"


@pytest.mark.parametrize("name", with_cells())
def test_chapter_runs(server: Server, name: str, runs: Runs):
    cells = run(server, name, runs)
    assert any(shown(cell.outputs) for cell in cells), "nothing came out of any cell"


@pytest.mark.parametrize("name", with_cells())
def test_chapter_shows_what_the_site_shows(server: Server, name: str, runs: Runs):
    path = SITE / "notebooks" / f"{name}.ipynb"
    if not path.exists():
        pytest.fail(
            f"{path} is missing: build the site first (make book)", pytrace=False
        )
    built = [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and cell.id != "install"
    ]
    cells = run(server, name, runs)
    if [cell.source for cell in cells] != [cell.source for cell in built]:
        pytest.fail(f"the site has another {name}: build it (make book)", pytrace=False)
    for cell, page in zip(cells, built, strict=True):
        if shown(cell.outputs) != shown(page.outputs):
            pytest.fail(
                f"book/{name}.md, code cell {cell.number}, gave\n"
                f"{brief(cell.outputs)}\nwhere the site has\n{brief(page.outputs)}\n\n"
                f"{cell.source}",
                pytrace=False,
            )


@pytest.mark.parametrize("name", with_cells())
def test_chapter_leaves_room_in_the_memory_of_binder(
    server: Server, name: str, runs: Runs
):
    run(server, name, runs)
    assert server.peaks[f"book/{name}.md"] < 1500  # of the 2000 that there are


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
        server.run("book/broken.md", broken)
    message = str(told.value)
    assert "book/broken.md, code cell 2 of 2, stopped with NameError" in message
    assert "    rat + 1" in message
    assert "Traceback" in message

    broken.cells[1].source = "rate = 1"
    with pytest.raises(AssertionError, match="code cell 1 of 2, is tagged"):
        server.run("book/broken.md", broken)


def test_a_launch_leaves_the_readers_own_configuration_alone(
    server: Server, home: Path
):
    assert (home / ".jupyter/labconfig/default_setting_overrides.json").exists()
    assert home != Path.home()
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
