"""The recorded sweep: resumable, the same on a cluster, and still true."""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import forked
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

import autoclip_sweep as sweep

pytestmark = pytest.mark.slow

SCRIPT = Path(sweep.__file__)
ONLY = "^L1/(none|p=(0|10|50))/0.001/0$"
ALL = ["none", "p=0", "p=10", "p=50"]  # what that leaves


@pytest.fixture
def few(cache, chorales, tmp_path, monkeypatch):
    """For all programs three pieces in each split, which are scored sooner than all."""
    for file in cache.glob("*.npz"):
        with np.load(file) as kept:
            less = {
                name: kept[name][:3] if kept[name].ndim else kept[name] for name in kept
            }
        np.savez(tmp_path / file.name, **less)
    monkeypatch.setenv("DESCENT_CACHE", str(tmp_path))
    forked.preload("torch._dynamo", "distributed", "autoclip_sweep", "test_sweep")


def options(log: Path, *others: str) -> list[str]:
    return ["--log", str(log), "--steps", "2", "--only", ONLY, *others]


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


def test_after_a_kill_no_run_is_lost_or_done_twice(few, tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    # One job has no workers that would live on.
    process = forked.start(SCRIPT, *options(log, "--jobs", "1"), folder=tmp_path)
    deadline = time.monotonic() + 60
    while not finished(log) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    before = finished(log)
    assert 1 <= len(before) < len(ALL)
    with log.open("a") as file:
        file.write('{"of": "the line that was being wr')

    output = tmp_path / "record.json"
    words = ["sweep", *options(log, "--record", "--output", str(output))]
    monkeypatch.setattr(sys, "argv", words)
    sweep.main()
    get_reusable_executor().shutdown()
    rows = finished(log)
    assert rows[: len(before)] == before
    assert clips(rows) == ALL

    monkeypatch.setattr(sweep, "backend", None)  # all done: nothing more is run
    sweep.main()
    assert finished(log) == rows

    kept = json.loads(output.read_text())
    assert kept["seeds"] == [0]
    assert kept["steps"] == 2
    assert kept["versions"] == sweep.versions()
    table = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    assert clips(table) == ALL


def serve(part: str, reports, *arguments: object, **settings: object) -> None:
    """Be the scheduler of a cluster or one of its workers, and report once ready."""
    import distributed

    async def ready() -> None:
        async with getattr(distributed, part)(*arguments, **settings) as server:
            reports.put(server.address)
            await server.finished()

    asyncio.run(ready())


def test_a_dask_cluster_of_two_workers_gives_the_same(few, tmp_path):
    log, reports, servers = tmp_path / "log.jsonl", forked.CONTEXT.SimpleQueue(), []

    def begin(part: str, *arguments: object, **settings: object) -> str:
        process = forked.CONTEXT.Process(
            target=serve, args=(part, reports, *arguments), kwargs=settings
        )
        process.start()
        servers.append(process)
        return reports.get()

    try:
        address = begin("Scheduler", dashboard=False)
        for _ in range(2):
            begin("Worker", address, nthreads=1, dashboard=False)
        there = ["--backend", "dask", "--scheduler", address]
        forked.run(SCRIPT, *options(log, *there), folder=tmp_path)
    finally:
        for process in servers:
            process.kill()
    rows = finished(log)
    assert clips(rows) == ALL
    here = sweep.train(sweep.Run.of(rows[0]))
    assert {**here, "seconds": 0} == {**rows[0], "seconds": 0}


def test_time_is_up_means_no_further_run(tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr(sys, "argv", ["sweep", *options(log, "--minutes", "0")])
    sweep.main()
    assert finished(log) == []


def test_a_failing_run_stops_no_other_and_is_not_recorded(tmp_path, monkeypatch):
    def train(run):
        if run.clip == "p=10":
            raise ArithmeticError("this one")
        return {**vars(run), "validation": 1.0, "test": 1.0, "seconds": 0.1}

    monkeypatch.setattr(sweep, "train", train)
    monkeypatch.setattr(
        sweep, "backend", lambda _: sweep.joblib.parallel_config(n_jobs=1)
    )
    monkeypatch.setattr(sys, "argv", ["sweep", *options(tmp_path / "log.jsonl")])
    with pytest.raises(SystemExit, match="1 runs failed"):
        sweep.main()
    assert clips(finished(tmp_path / "log.jsonl")) == sorted({*ALL} - {"p=10"})


def test_the_grid_is_the_one_that_was_asked_for():
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


def test_results_of_other_settings_or_versions_do_not_count(tmp_path, monkeypatch):
    log = sweep.Log(tmp_path / "log.jsonl")
    log.append({"clip": "none"})
    assert log.rows() == [{"clip": "none"}]
    monkeypatch.setattr(sweep, "versions", lambda: {"torch": "another"})
    assert log.rows() == []


def test_without_options_the_record_is_complete(tmp_path, monkeypatch, capsys):
    kept = json.loads(sweep.RECORD.read_text())
    monkeypatch.setattr(sweep, "versions", lambda: kept["versions"])
    log = str(tmp_path / "log.jsonl")
    monkeypatch.setattr(sys, "argv", ["sweep", "--plan", "--log", log])
    sweep.main()
    assert capsys.readouterr().out.startswith(f"0 of {len(kept['rows'])} runs to do\n")


def test_one_recorded_cell_computed_anew_is_within_its_spread(chorales):
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
