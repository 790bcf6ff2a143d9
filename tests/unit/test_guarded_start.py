"""The experiment on AutoClip's start: its rules, its controls, its verdict."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from descent.clipping import AutoClip
from descent.recorded import load
from descent.seeds import set_seed

SCRIPT = Path(__file__).parents[2] / "experiments" / "guarded_start.py"


@pytest.fixture(scope="module")
def experiment():
    spec = importlib.util.spec_from_file_location("guarded_start", SCRIPT)
    module = sys.modules["guarded_start"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["guarded_start"]


@pytest.fixture(scope="module")
def trial():
    return load("guarded_start")


@pytest.fixture(scope="module")
def rows(trial):
    return [dict(zip(trial["columns"], row, strict=True)) for row in trial["rows"]]


@pytest.fixture
def short(experiment, monkeypatch):
    """The experiment with one task, of a few steps."""
    setting = replace(experiment.SETTINGS["regression"], steps=12, seeds=2)
    monkeypatch.setattr(
        experiment, "SETTINGS", dict.fromkeys(experiment.SETTINGS, setting)
    )
    return experiment


def test_the_percentile_is_that_of_the_books_autoclip(experiment):
    norms = set_seed(0).lognormal(size=150).tolist()
    clip, weight = AutoClip(10), torch.zeros(1, requires_grad=True)
    for norm in norms:
        weight.grad = torch.tensor([norm], dtype=torch.float32)
        clip([weight])
    seen = clip.history.tolist()
    limits = [experiment.limit("plain", 1, seen[: t + 1]) for t in range(len(seen))]
    assert limits == clip.thresholds.tolist()


@pytest.mark.parametrize(
    ("arm", "step", "expected"),
    [
        ("ramp 50", 25, lambda norms: np.percentile(norms, 10) * 0.5),
        ("ramp 50", 60, lambda norms: np.percentile(norms, 10)),
        ("smallest 50", 50, min),
        ("smallest 50", 51, lambda norms: np.percentile(norms, 10)),
        ("ceiling 1.5", 50, lambda _: 1.5),
        ("ceiling 1.5", 51, lambda norms: np.percentile(norms, 10)),
        ("plain as ramp 50", 25, lambda norms: np.percentile(norms, 10)),
        ("ramp 50 as plain", 25, lambda norms: np.percentile(norms, 10) * 0.5),
        ("none, beta2 .95", 3, lambda _: np.inf),
        ("fixed", 3, lambda _: 7.0),
    ],
)
def test_every_arm_has_the_threshold_of_its_name(experiment, arm, step, expected):
    norms = (2 + set_seed(1).lognormal(size=step)).tolist()
    assert experiment.limit(arm, 7.0, norms) == pytest.approx(expected(norms))


def test_a_matched_run_takes_the_lengths_and_not_the_directions(short):
    run = short.Run("regression", "ramp 100", 7)
    _, lengths = short.train(run)
    row, stepped = short.train(run._replace(arm="plain as ramp 100"), lengths)
    assert stepped == pytest.approx(lengths)
    alone, _ = short.train(run._replace(arm="plain"))
    assert row["path"] == pytest.approx(lengths.sum(), rel=1e-4)
    assert row["path"] != alone["path"]


def test_after_a_kill_no_run_is_lost_or_done_twice(short, tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    runs = [
        short.Run("regression", arm, 100)
        for arm in ("plain", "ramp 100", "plain as ramp 100")
    ]
    monkeypatch.setattr(short, "runs", lambda _: iter(runs[:2]))
    short.sweep(log, 1)
    before = short.logged(log)
    with log.open("a") as file:
        file.write('{"of": "the line that was being wr')
    monkeypatch.setattr(short, "runs", lambda _: iter(runs))
    short.sweep(log, 1)
    after = short.logged(log)
    assert after[:2] == before
    assert [row["arm"] for row in after] == [run.arm for run in runs]
    _, lengths = short.train(runs[1])
    again, _ = short.train(runs[2], lengths)
    assert after[2]["score"] == again["score"]


def made_up(experiment, gain, control, elsewhere=0.0):
    """Return rows in which `ramp 100` gains so much over plain and over its control."""
    rng = set_seed(0)

    def row(setting, arm, seed, score):
        return {"setting": setting, "arm": arm, "seed": seed, "score": score}

    for setting in ("adding", "separation", "regression"):
        more = gain if setting != "regression" else elsewhere
        for seed in range(8):
            level, noise = rng.normal(), 0.01 * rng.normal()
            for arm in ("plain", *experiment.CANDIDATES):
                ours = arm == "ramp 100"
                yield row(setting, arm, seed, level + (more + noise) * ours)
            rival = level + more + noise - control + 0.01 * rng.normal()
            yield row(setting, "plain as ramp 100", seed, rival)


@pytest.mark.parametrize(
    ("gain", "control", "elsewhere", "word"),
    [
        (1.0, 0.5, 0.0, "holds up"),
        (1.0, 0.0, 0.0, "longer steps"),
        (0.0, 0.5, 0.0, "does not hold up"),
        (1.0, 0.5, -1.0, "does not hold up"),
    ],
)
def test_the_verdict_is_the_plans(experiment, gain, control, elsewhere, word):
    judged = experiment.verdict(list(made_up(experiment, gain, control, elsewhere)))
    assert judged["candidates"]["ramp 100"]["verdict"] == word
    assert judged["option"] == ("ramp 100" if word == "holds up" else None)
    assert judged["candidates"]["cleared 50"]["verdict"] == "does not hold up"


def test_the_interval_is_students(experiment):
    # Tabulated quantiles of Student's t.
    assert experiment.student(0.95, 7) == pytest.approx(2.3646, abs=1e-4)
    assert experiment.student(0.99, 4) == pytest.approx(4.6041, abs=1e-4)


def test_the_record_is_of_the_plan_beside_it_and_judged_by_it(experiment, trial, rows):
    assert (
        trial["plan"]["sha256"]
        == hashlib.sha256(experiment.PLAN.read_bytes()).hexdigest()
    )
    assert trial["verdict"] == json.loads(json.dumps(experiment.verdict(rows)))
    assert trial["differences"] == experiment.differences(rows)


def test_a_recorded_run_computed_anew_gives_its_score(experiment, rows):
    recorded = {(row["setting"], row["arm"], row["seed"]): row["score"] for row in rows}
    run = experiment.Run("regression", "ramp 100", 100)
    row, _ = experiment.train(run)
    # Another processor may round otherwise.
    assert row["score"] == pytest.approx(recorded[run], abs=0.3)
