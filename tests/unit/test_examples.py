"""The programs under examples/ run, and do what the recipe page says of them."""

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


def test_ranks_report_the_same_norm_and_threshold(tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    said = run(*torchrun, str(EXAMPLES / "data_parallel.py"), cwd=tmp_path)
    first, second = re.findall(r"norm [\d.]+, threshold [\d.]+", said)
    assert first == second


def test_the_lightning_callback_clips_and_survives_a_checkpoint(tmp_path):
    said = run(str(EXAMPLES / "lightning_callback.py"), cwd=tmp_path)
    steps, share = re.search(r"(\d+) steps, (\d+)% of them clipped", said).groups()
    assert int(steps) == 20
    assert 0 < int(share) < 100

    code = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "import lightning, torch\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "from lightning_callback import AutoClipCallback, Line\n"
        "x = torch.linspace(-1, 1, 40).reshape(-1, 1)\n"
        "data = DataLoader(TensorDataset(x, x), batch_size=10)\n"
        "quiet = dict(accelerator='cpu', logger=False, enable_progress_bar=False,\n"
        "             enable_model_summary=False)\n"
        "first, second = AutoClipCallback(), AutoClipCallback()\n"
        "one = lightning.Trainer(max_epochs=1, callbacks=[first], **quiet)\n"
        "one.fit(Line(), data)\n"
        "one.save_checkpoint('line.ckpt')\n"
        "two = lightning.Trainer(max_epochs=2, callbacks=[second], **quiet)\n"
        "two.fit(Line(), data, ckpt_path='line.ckpt')\n"
        "assert list(second.clip.history[:4]) == list(first.clip.history)\n"
        "print('steps', len(second.clip.history))\n"
    )
    assert "steps 8" in run("-c", code, str(EXAMPLES), cwd=tmp_path)


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
