"""A property test draws the same examples alone and among others."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

PROPERTY = """
import {imported}
import conftest  # the profile
from hypothesis import given, strategies as st

@given(st.lists(st.one_of(st.integers(), st.floats(), st.text())))
def draw(values):
    print(repr(values))

draw()
"""


def drawn(folder: Path, imported: str) -> str:
    """Return the examples of a property beside another module."""
    script = folder / "property.py"
    script.write_text(PROPERTY.format(imported=imported))
    return subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_examples_do_not_depend_on_what_is_loaded(tmp_path):
    numbers = ", ".join(str(7919**power) for power in range(1, 5))
    (tmp_path / "others.py").write_text(f"CONSTANTS = [{numbers}, 'spring', 2.718]\n")
    alone, among_others = (drawn(tmp_path, name) for name in ("json", "others"))
    assert alone.count("\n") > 50
    assert alone == among_others
