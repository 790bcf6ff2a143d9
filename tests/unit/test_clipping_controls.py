"""The experiment with controls: its arms, and that a kill costs nothing."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import clipping_controls
from descent.music.separation import MaskNetwork, cut, evaluate
from descent.recorded import load
from descent.seeds import set_seed


@pytest.fixture
def small(monkeypatch):
    """The experiment with two settings of few steps, on noise."""
    rng = set_seed(0)
    sources = 0.1 * rng.normal(size=(3, 2, 20_000)).astype(np.float32)
    music = clipping_controls.Music(sources, [cut(s[None], 20)[:2] for s in sources])
    size = {"steps": 60, "hidden": 3, "frames": 8, "batch": 2, "seeds": 1}
    settings = {
        name: replace(clipping_controls.SETTINGS[name], **size)
        for name in ("two voices", "silence")
    }
    monkeypatch.setattr(clipping_controls, "SETTINGS", settings)
    monkeypatch.setattr(clipping_controls, "music", lambda task: music)
    monkeypatch.setattr(clipping_controls, "PILOT_STEPS", 4)
    return clipping_controls


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return tmp_path_factory.mktemp("once") / "log.jsonl"


@pytest.fixture
def log(small, once, tmp_path):
    """The log of the whole experiment, which is run once."""
    if not once.exists():
        small.sweep(once, 10)
    return shutil.copy(once, tmp_path / "log.jsonl")


def finished(experiment, log):
    """Return the rows of a log without what no two runs share."""
    return [{**row, "seconds": None} for row in experiment.logged(log)]


@pytest.mark.slow
def test_portions_and_kills_add_up_to_what_would_have_been(
    small, log, tmp_path, monkeypatch
):
    whole = finished(small, log)
    assert [row["arm"] for row in whole] == ["pilot", *small.ARMS] * 2

    log = tmp_path / "portions.jsonl"
    small.sweep(log, 0)  # no time: one block, and a checkpoint
    assert [row["arm"] for row in finished(small, log)] == ["pilot"]
    monkeypatch.setattr(small, "SAVE_EVERY", 0)
    step, left = small.Ensemble.step, iter(range(50))

    def killed(ensemble, batch):
        if next(left, None) is None:
            raise KeyboardInterrupt
        step(ensemble, batch)

    monkeypatch.setattr(small.Ensemble, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        small.sweep(log, 10)
    with log.open("a") as file:
        file.write('{"of": "the line that was being wr')
    monkeypatch.setattr(small.Ensemble, "step", step)
    small.sweep(log, 10)
    assert finished(small, log) == whole
    assert list(tmp_path.glob("*.pt")) == []

    monkeypatch.setattr(small, "train", None)  # all done: nothing more is run
    small.sweep(log, 10)


def test_a_record_is_added_to(small, log, tmp_path):
    output = tmp_path / "record.json"
    rows = small.logged(log)
    first = [row for row in rows if row["setting"] == "two voices"]
    small.record(first, output)
    alone = json.loads(output.read_text())
    elsewhere = {**rows[0]["made"], "versions": {"torch": "another"}}
    second = [{**row, "made": elsewhere} for row in rows if row not in first]
    small.record(second, output)
    both = json.loads(output.read_text())
    assert both["rows"][: len(alone["rows"])] == alone["rows"]
    assert len(both["rows"]) == 2 * len(small.ARMS)
    assert [made["versions"] for made in both["made"]][1] == {"torch": "another"}
    made = both["columns"].index("made")
    assert {row[made] for row in both["rows"]} == {0, 1}
    assert all(setting["fixed"] > 0 for setting in both["settings"].values())


def test_arms_of_one_seed_are_of_one_machine(small, log, tmp_path):
    output = tmp_path / "record.json"
    with log.open("a") as file:
        file.write('\n{"of": "the line that was being wr')
    rows = small.logged(log)
    other = {**rows[0]["made"], "machine": "another"}
    part = [
        {**row, "made": other, "norm_median": 9.0}
        for row in rows
        if row["arm"] in ("pilot", "none")
    ]
    small.record([*rows, *part], output)
    kept = json.loads(output.read_text())
    assert kept["made"] == [rows[0]["made"]]
    pilots = {row["setting"]: row for row in rows if row["arm"] == "pilot"}
    for name, setting in kept["settings"].items():
        assert setting["fixed"] == pilots[name]["norm_median"]
    assert small.whole_groups(part) == []


def test_another_version_begins_anew(small, tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    small.sweep(log, 0)  # no time: one block, and a checkpoint
    assert len(list(tmp_path.glob("*.pt"))) == 1
    monkeypatch.setattr(small, "versions", lambda: {"torch": "another"})
    small.sweep(log, 0)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_what_is_recorded_is_not_run_again(small, log, tmp_path, monkeypatch):
    output = tmp_path / "record.json"
    rows = small.logged(log)
    small.record([row for row in rows if row["setting"] == "two voices"], output)
    begun = []
    monkeypatch.setattr(small, "train", lambda setting, *_: begun.append(setting.task))
    monkeypatch.setattr(small, "pilot", lambda *_: 1.0)
    small.sweep(tmp_path / "other.jsonl", 10, output=output)
    assert begun == ["violin and piano"]
    begun.clear()
    # Another setting of the same name is not what was recorded.
    other = replace(small.SETTINGS["two voices"], rate=2e-3)
    monkeypatch.setitem(small.SETTINGS, "two voices", other)
    small.sweep(tmp_path / "other.jsonl", 10, output=output)
    assert begun == ["two voices"]


def test_every_arm_is_the_run_of_its_name():
    setting = clipping_controls.SETTINGS["two voices"]
    arms = {
        arm: clipping_controls.run_of(arm, setting, 3, 0.7, 1)
        for arm in clipping_controls.ARMS
    }
    plain = arms.pop("none")
    assert plain == clipping_controls.Run(3, 1e-3)
    different = {
        arm: {k: v for k, v in vars(run).items() if v != vars(plain)[k]}
        for arm, run in arms.items()
    }
    assert different == {
        "p=10": {"percentile": 10},
        "p=50": {"percentile": 50},
        "fixed": {"ceiling": 0.7},
        "guarded": {"percentile": 10, "ramp": 100},
        "steps of p=10": {"steps_of": 1},
        "beta2=.95": {"beta2": 0.95},
    }


def test_scores_are_the_books_and_the_better_order_counts(small):
    set_seed(0)
    network = MaskNetwork(hidden=3)
    one = small.score(network, small.SETTINGS["silence"])
    excerpts = small.music("violin and piano").test
    expected = [evaluate(network, e).mean().item() for e in excerpts]
    assert one == pytest.approx(expected, rel=1e-3)
    better = small.score(network, small.SETTINGS["two voices"])
    with torch.no_grad():
        network.out.weight.copy_(
            network.out.weight.unflatten(0, (2, -1)).flip(0).flatten(0, 1)
        )
        network.out.bias.copy_(network.out.bias.unflatten(0, (2, -1)).flip(0).flatten())
    assert small.score(network, small.SETTINGS["two voices"]) == better
    assert small.score(network, small.SETTINGS["silence"]) != one


def test_a_mask_that_lets_nothing_through_does_not_leak(small):
    setting = small.SETTINGS["silence"]
    network = MaskNetwork(hidden=3)
    with torch.no_grad():
        network.out.weight.zero_()
        network.out.bias.fill_(-100)
        assert small.leak(network, setting) < -100
        network.out.bias.fill_(100)
        assert abs(small.leak(network, setting)) < 0.1


def test_the_record_is_of_the_plan_beside_it_and_complete():
    kept = load("clipping_controls")
    plan = clipping_controls.PLAN.read_bytes()
    assert kept["plan"]["sha256"] == hashlib.sha256(plan).hexdigest()
    rows = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    for name, setting in kept["settings"].items():
        known = vars(clipping_controls.SETTINGS[name])
        assert setting == {**known, "arms": list(known["arms"])} | {
            "fixed": setting["fixed"]
        }
        mine = [row for row in rows if row["setting"] == name]
        for seed in {row["seed"] for row in mine}:
            # All arms of a seed, or none: a difference has two.
            arms = [row["arm"] for row in mine if row["seed"] == seed]
            assert arms == setting["arms"]
        assert {len(row["100"]) for row in mine} == {18}


@pytest.mark.slow
def test_the_beginning_of_a_recorded_run_computed_anew(chorales, monkeypatch):
    music = clipping_controls.Music(chorales.training.sources, [])
    monkeypatch.setattr(clipping_controls, "music", lambda task: music)
    kept = load("clipping_controls")
    rows = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    name = "layers 1, batch 2"
    recorded = {
        r["arm"]: r["dynamics"] for r in rows if (r["setting"], r["seed"]) == (name, 0)
    }
    setting = clipping_controls.SETTINGS[name]
    runs = [
        clipping_controls.run_of(arm, setting, 0, np.inf, 1)
        for arm in clipping_controls.WATCHED
    ]
    ensemble = clipping_controls.begin(runs, setting, 20, "cpu")
    draw = clipping_controls.Minibatches(setting, [0], "cpu")
    for _ in range(20):
        ensemble.step(draw())
    for arm, norms in zip(clipping_controls.WATCHED, ensemble.norms, strict=True):
        # Another processor may round otherwise.
        assert norms[-1].item() == pytest.approx(recorded[arm]["norm"][0], rel=0.05)
