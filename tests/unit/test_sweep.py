"""The recorded sweep: resumable, the same on a cluster, and still true."""

import importlib.util
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "autoclip_sweep.py"
ONLY = "^L1/(none|p=(0|10|50))/0.001/0$"
ALL = ["none", "p=0", "p=10", "p=50"]  # what that leaves
QUICK = ["--steps", "2", "--only", ONLY]


@pytest.fixture(scope="module")
def sweep():
    spec = importlib.util.spec_from_file_location("autoclip_sweep", SCRIPT)
    module = sys.modules["autoclip_sweep"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["autoclip_sweep"]


def command(log: Path, *options: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--log", str(log), *QUICK, *options]


def finished(log: Path) -> list[dict]:
    """Return the complete lines of a log, in order."""
    if not log.exists():
        return []
    text = log.read_text()
    return [
        json.loads(line)["row"]
        for line in text[: text.rfind("\n") + 1].split("\n")
        if line
    ]


def clips(rows: list[dict]) -> list[str]:
    return sorted(row["clip"] for row in rows)


def test_after_a_kill_no_run_is_lost_or_done_twice(
    sweep, chorales, tmp_path, monkeypatch
):
    log = tmp_path / "log.jsonl"
    process = subprocess.Popen(
        command(log, "--jobs", "1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its workers are killed with it
    )
    deadline = time.monotonic() + 60
    while len(finished(log)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = finished(log)
    assert 2 <= len(before) < len(ALL)
    with log.open("a") as file:
        file.write('{"of": "the line that was being wr')

    output = tmp_path / "record.json"
    subprocess.run(
        command(log, "--record", "--output", str(output)),
        check=True,
        capture_output=True,
    )
    rows = finished(log)
    assert rows[: len(before)] == before
    assert clips(rows) == ALL

    monkeypatch.setattr(sys, "argv", command(log)[1:])
    monkeypatch.setattr(sweep, "backend", None)  # all done: nothing more is run
    sweep.main()
    assert finished(log) == rows

    kept = json.loads(output.read_text())
    assert kept["seeds"] == [0]
    assert kept["steps"] == 2
    assert kept["versions"] == sweep.versions()
    table = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    assert clips(table) == ALL


def test_a_dask_cluster_of_two_workers_gives_the_same(sweep, chorales, tmp_path):
    code = (
        "from dask.distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    cluster = LocalCluster(n_workers=2, threads_per_worker=1,\n"
        "                           dashboard_address=None)\n"
        "    print(cluster.scheduler_address, flush=True)\n"
        "    input()\n"
    )
    (tmp_path / "cluster.py").write_text(code)
    log = tmp_path / "log.jsonl"
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "cluster.py")],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        try:
            address = cluster.stdout.readline().strip()
            assert re.fullmatch(r"tcp://.+:\d+", address)
            there = ["--backend", "dask", "--scheduler", address]
            subprocess.run(command(log, *there), check=True, capture_output=True)
        finally:
            cluster.communicate("stop\n")
    rows = finished(log)
    assert clips(rows) == ALL
    here = sweep.train(sweep.Run.of(rows[0]))
    assert {**here, "seconds": 0} == {**rows[0], "seconds": 0}


def test_time_is_up_means_no_further_run(chorales, tmp_path):
    log = tmp_path / "log.jsonl"
    subprocess.run(command(log, "--minutes", "0"), check=True, capture_output=True)
    assert finished(log) == []


def test_a_failing_run_stops_no_other_and_is_not_recorded(sweep, tmp_path, monkeypatch):
    def train(run):
        if run.clip == "p=10":
            raise ArithmeticError("this one")
        return {**vars(run), "validation": 1.0, "test": 1.0, "seconds": 0.1}

    monkeypatch.setattr(sweep, "train", train)
    monkeypatch.setattr(
        sweep, "backend", lambda _: sweep.joblib.parallel_config(n_jobs=1)
    )
    monkeypatch.setattr(sys, "argv", command(tmp_path / "log.jsonl")[1:])
    with pytest.raises(SystemExit, match="1 runs failed"):
        sweep.main()
    assert clips(finished(tmp_path / "log.jsonl")) == sorted({*ALL} - {"p=10"})


def test_the_grid_is_the_one_that_was_asked_for(sweep):
    def row(run, score):
        return {**vars(run), "validation": score}

    first = sweep.plan([], 5, 300)
    for name, setting in sweep.SETTINGS.items():
        at_first = {
            r.clip for r in first if (r.setting, r.lr) == (name, setting.rates[0])
        }
        fixed = {f"fixed {t:g}" for t in setting.thresholds}
        percentiles = {f"p={p}" for p in (0, 1, 10, 25, 50, 90, 100)}
        assert at_first == {"none", *percentiles, *fixed}
        for lr in setting.rates[1:]:
            cells = {r.clip for r in first if (r.setting, r.lr) == (name, lr)}
            assert cells == {"none", "p=10"}
    # With all thresholds tried, the best by validation is tried at all rates.
    rows = [
        row(r, 5.0 if r.clip == "fixed 0.01" else None if r.clip == "p=0" else 1.0)
        for r in first
    ]
    later = set(sweep.plan(rows, 5, 300)) - set(first)
    assert {r.clip for r in later if r.setting == "L1"} == {"fixed 0.01"}
    assert {r.lr for r in later if r.setting == "L1"} == {
        *sweep.SETTINGS["L1"].rates[1:]
    }
    assert len(set(first)) == len(first)


def test_results_of_other_settings_or_versions_do_not_count(
    sweep, tmp_path, monkeypatch
):
    log = sweep.Log(tmp_path / "log.jsonl")
    log.append({"clip": "none"})
    assert log.rows() == [{"clip": "none"}]
    monkeypatch.setattr(sweep, "versions", lambda: {"torch": "another"})
    assert log.rows() == []


def test_without_options_the_record_is_complete(sweep, tmp_path, monkeypatch, capsys):
    kept = json.loads(sweep.RECORD.read_text())
    monkeypatch.setattr(sweep, "versions", lambda: kept["versions"])
    log = str(tmp_path / "log.jsonl")
    monkeypatch.setattr(sys, "argv", ["sweep", "--plan", "--log", log])
    sweep.main()
    assert capsys.readouterr().out.startswith(f"0 of {len(kept['rows'])} runs to do\n")


def test_one_recorded_cell_computed_anew_is_within_its_spread(sweep, chorales):
    kept = json.loads(sweep.RECORD.read_text())
    rows = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    cell = ("SNR with silence", "p=10", sweep.SETTINGS["SNR with silence"].rates[0])
    recorded = {
        row["seed"]: row["test"]
        for row in rows
        if (row["setting"], row["clip"], row["lr"]) == cell
    }
    assert len(recorded) >= 5
    anew = sweep.train(sweep.Run(*cell, seed=0, steps=kept["steps"]))["test"]
    spread = statistics.stdev(recorded.values())
    assert abs(anew - recorded[0]) < max(3 * spread, 0.1)
