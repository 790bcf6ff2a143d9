"""The programs under examples/ run, and do what the recipe page says of them.

What they do inside their frameworks is tried in test_frameworks.py.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*command: str, cwd: Path) -> str:
    """Run a program and return what it printed; fail with what it said."""
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name", ["lightning_callback", "accelerate_loop", "trainer_callback"]
)
def test_frameworks_clip_some_of_twenty_steps(name, tmp_path):
    said = run(str(EXAMPLES / f"{name}.py"), str(tmp_path), cwd=tmp_path)
    steps, share = re.search(r"(\d+) steps, (\d+)% of them clipped", said).groups()
    assert int(steps) == 20
    assert 0 < int(share) < 100


def test_tensorboard_reads_back_what_was_written(tmp_path):
    run(str(EXAMPLES / "tensorboard_log.py"), str(tmp_path / "log"), cwd=tmp_path)
    code = (
        "import sys\n"
        "from tensorboard.backend.event_processing.event_accumulator import (\n"
        "    EventAccumulator)\n"
        "events = EventAccumulator(sys.argv[1]); events.Reload()\n"
        "for tag in ('loss', 'gradient/norm', 'gradient/threshold'):\n"
        "    print(tag, *[e.value for e in events.Scalars(tag)])\n"
    )
    said = run("-c", code, str(tmp_path / "log"), cwd=tmp_path)
    read = {}
    for line in said.splitlines():
        tag, *values = line.split()
        read[tag] = [float(value) for value in values]
    assert {len(values) for values in read.values()} == {50}
    assert read["loss"][-1] < read["loss"][0]
    # Every threshold lies between the smallest and the largest norm so far.
    norms = read["gradient/norm"]
    for step, threshold in enumerate(read["gradient/threshold"]):
        seen = norms[: step + 1]
        assert min(seen) * 0.999 <= threshold <= max(seen) * 1.001
