"""A property test draws the same examples alone and among others."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

PROPERTY = """
import {imported}
from hypothesis import given, strategies as st

@given(st.lists(st.one_of(st.integers(), st.floats(), st.text())))
def test_nothing(values):
    print(repr(values))

@given(st.integers())
def test_that_fails(value):
    assert value in range(100)
"""


def run(folder: Path, imported: str) -> str:
    """Return what two property tests print beside another module."""
    (folder / "test_drawn.py").write_text(PROPERTY.format(imported=imported))
    command = [sys.executable, "-m", "pytest", "-q", "-s", "--noconftest"]
    process = subprocess.run(
        [*command, "-p", "conftest", "-p", "no:cacheprovider", "test_drawn.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in process.stdout, process.stdout + process.stderr
    return process.stdout


def test_examples_do_not_depend_on_what_is_loaded(tmp_path):
    numbers = ", ".join(str(7919**power) for power in range(1, 9))
    (tmp_path / "others.py").write_text(f"CONSTANTS = [{numbers}, 'spring', 2.718]\n")
    alone, among_others = (run(tmp_path, name) for name in ("json", "others"))
    drawn = [text.partition("FAILURES")[0] for text in (alone, among_others)]
    assert drawn[0].count("\n[") > 50
    assert drawn[0] == drawn[1]
    # The failing one comes back by itself, and can be called back by what it printed.
    assert "@reproduce_failure" in alone
