"""What tests tried with the packages that people train with, and the record of it.

The recipes page shows the records. A file of such tests writes its own:

    python tests/unit/test_....py --record
"""

import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from descent.recorded import load

RECORDS = Path(__file__).parents[2] / "src/descent/recorded"

PACKAGES = {
    "PyTorch": "torch",
    "Lightning": "lightning",
    "Accelerate": "accelerate",
    "transformers' Trainer": "transformers",
}


class Table:
    """The rows that one file of tests tries, and what they were tried with."""

    def __init__(self, record: str, program: str, machine: str) -> None:
        self.record = record
        self.program = Path(program)
        self.machine = machine
        self.rows: list[list[str]] = []

    def row(self, framework: str, what: str) -> Callable[[Callable], Callable]:
        """Enter a test."""
        assert framework in PACKAGES
        self.rows.append([framework, what])
        return lambda test: test

    @property
    def command(self) -> str:
        """What writes the record."""
        return f"python tests/unit/{self.program.name} --record"

    def versions(self) -> dict[str, str]:
        """Return the packages' versions, without what they were compiled for."""
        return {name: version(name).split("+")[0] for name in PACKAGES.values()}

    def agrees(self) -> None:
        """Fail if the record is of other tests."""
        kept = load(self.record)
        assert kept["packages"] == PACKAGES, f"tests changed: {self.command}"
        assert kept["tried"] == self.rows, f"tests changed: {self.command}"

    def main(self) -> None:
        """Run the tests, and write the record if all pass."""
        if sys.argv[1:] != ["--record"]:
            sys.exit(f"usage: {self.command}")
        # All but the comparison with the record that is about to be replaced.
        code = pytest.main([str(self.program), "-q", "-k", "not the_record_is_of"])
        if code:
            sys.exit("not recorded: a test failed")
        about = {
            "command": self.command,
            "machine": self.machine,
            "versions": {"python": platform.python_version(), **self.versions()},
            "packages": PACKAGES,
            "tried": self.rows,
        }
        path = RECORDS / f"{self.record}.json"
        path.write_text(json.dumps(about, indent=2) + "\n", "utf8")
