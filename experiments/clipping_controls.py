"""Does AutoClip help, and is it the clipping? The runs of the plan beside this file.

    python experiments/clipping_controls.py            # do the runs that are missing
    python experiments/clipping_controls.py --record   # and keep what there is

Missing are those that no record has; with ``--output`` of another file, all.

Whoever has a GPU goes on, in portions of ten minutes that add up, with

    python experiments/clipping_controls.py --gpu --record

(A log that was written on another machine, ``--log``, is recorded on this one with
``--minutes 0``.)

All arms of a seed are trained as one (``ensemble.py``). What is under way is saved
every minute, what is finished goes into a log; started again, also after a kill, the
program goes on from there. Recording adds to what the record holds from other machines.
"""

import argparse
import hashlib
import itertools
import json
import math
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from descent.checkpoint import load_checkpoint, save_checkpoint
from descent.files import replacing
from descent.music.chorales import Split, cache_folder, load_chorales, mix, play
from descent.music.metrics import si_sdr_improvement
from descent.music.packages import NEEDED
from descent.music.scores import read_chorale
from descent.music.separation import apply_masks, cut, draw_excerpts
from ensemble import Ensemble, Run

ROOT = Path(__file__).parents[1]
PLAN = Path(__file__).with_suffix(".md")
RECORD = ROOT / "src/descent/recorded/clipping_controls.json"

PIECES = (54, 9, 18)
INSTRUMENTS = ("violin", "clarinet", "trumpet", "flute", "organ", "piano")
BLOCK = 20  # steps from one measurement to the next
SAVE_EVERY = 60.0  # seconds
PILOT_SEED, PILOT_STEPS = 99, 100

ARMS = ("none", "p=10", "p=50", "fixed", "guarded", "steps of p=10", "beta2=.95")
LONGER = ("none", "p=10", "steps of p=10", "beta2=.95")
TAKEN_APART = ("none", "p=10", "steps of p=10")
WATCHED = ("none", "p=10")  # whose dynamics are kept


@dataclass(frozen=True)
class Setting:
    """What is trained: a task, a loss, a network, and how."""

    task: str
    loss: str
    arms: tuple[str, ...] = ARMS
    steps: int = 400
    rate: float = 1e-3
    silent: float = 0.0
    layers: int = 1
    hidden: int = 64
    frames: int = 100
    batch: int = 4
    seeds: int = 6


TASKS: dict[str, dict[str, Any]] = {
    "two voices": {"task": "two voices", "loss": "SNR"},
    "silence": {"task": "violin and piano", "loss": "SNR", "silent": 0.2},
}
PAPERS = {"layers": 2, "hidden": 300, "batch": 25}  # width and batch
SETTINGS = {
    **{name: Setting(**task) for name, task in TASKS.items()},
    **{
        f"layers {layers}, batch {batch}": Setting(
            "violin and piano",
            "L1",
            TAKEN_APART,
            steps=300,
            layers=layers,
            batch=batch,
        )
        for layers, batch in itertools.product((1, 2), (2, 8))
    },
    **{
        f"{name}, longer": Setting(**task, arms=LONGER, steps=1600)
        for name, task in TASKS.items()
    },
    **{
        f"{name}, longer, rate {rate:g}": Setting(
            **task, arms=WATCHED, steps=1600, rate=rate
        )
        for rate in (3e-4, 3e-3)
        for name, task in TASKS.items()
    },
    **{
        f"{name}, width": Setting(**task, **PAPERS, arms=LONGER, steps=1600)
        for name, task in TASKS.items()
    },
    **{
        f"{name}, wide, rate {rate:g}": Setting(
            **task,
            **PAPERS,
            frames=400,
            steps=5000,
            rate=rate,
            arms=(*ARMS, "p=1", "p=25", "p=90"),
        )
        for name, task in TASKS.items()
        for rate in (1e-3, 3e-4, 3e-3, 1e-2)
    },
}

Row = dict[str, Any]


# --- The music


class Music(NamedTuple):
    """Sources to learn from, and excerpts of each test tune."""

    training: np.ndarray
    test: list[Tensor]


@cache
def music(task: str) -> Music:
    """Return the music of a task."""
    data = load_chorales(pieces=PIECES)
    training, test = data.training.sources, data.test.sources
    assert len(set(data.test.tunes)) == len(test)
    if task == "two voices":
        random = np.random.RandomState(0)
        training = duets(data.training, 2, random)
        test = duets(data.test, 1, random)
    return Music(training, [cut(piece[None], 100)[::2] for piece in test])


def duets(split: Split, times: int, random: np.random.RandomState) -> np.ndarray:
    """Return two voices of each piece, on two instruments, so many times."""
    played = []
    for name in split.names:
        parts = read_chorale(name).parts
        for _ in range(times):
            voices = random.choice(len(parts), 2, replace=False)
            instruments = random.choice(INSTRUMENTS, 2)
            one, two = (
                play(parts[voice], str(instrument), seconds=16.0)
                for voice, instrument in zip(voices, instruments, strict=True)
            )
            played.append(mix(one, two))
    return np.stack(played)


# --- One setting


def run_of(arm: str, setting: Setting, seed: int, fixed: float, leader: int) -> Run:
    """Return the run that an arm's name means."""
    how: dict[str, Any] = {}
    if arm.startswith("p="):
        how = {"percentile": float(arm.removeprefix("p="))}
    elif arm == "fixed":
        how = {"ceiling": fixed}
    elif arm == "guarded":
        how = {"percentile": 10, "ramp": 100}
    elif arm == "steps of p=10":
        how = {"steps_of": leader}
    elif arm == "beta2=.95":
        how = {"beta2": 0.95}
    else:
        assert arm == "none"
    return Run(seed, setting.rate, **how)


def begin(runs: list[Run], setting: Setting, steps: int, device: str) -> Ensemble:
    """Return the runs before their first step."""
    return Ensemble(
        runs,
        setting.loss,
        steps,
        permuted=setting.task == "two voices",
        hidden=setting.hidden,
        layers=setting.layers,
        device=device,
    )


class Minibatches:
    """Minibatches for every seed, drawn one after the other."""

    def __init__(self, setting: Setting, seeds: list[int], device: str) -> None:
        self.setting, self.device = setting, device
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self) -> Tensor:
        """Return the next one, shape (seed, excerpt, 2, samples)."""
        s, sources = self.setting, music(self.setting.task).training
        drawn = [
            draw_excerpts(sources, s.batch, s.frames, generator, s.silent)
            for generator in self.generators
        ]
        return torch.stack(drawn).to(self.device)


def pilot(setting: Setting, device: str) -> float:
    """Return the median norm of a short run without clipping."""
    ensemble = begin([Run(PILOT_SEED, setting.rate)], setting, PILOT_STEPS, device)
    draw = Minibatches(setting, ensemble.seeds, device)
    for _ in range(PILOT_STEPS):
        ensemble.step(draw())
    return number(ensemble.norms.median().item())


def measured_step(ensemble: Ensemble, batch: Tensor, fixed: Tensor) -> Tensor:
    """Make one step; return smoothness with both minibatches, shape (2, run)."""
    fixed_before = ensemble.gradients(fixed)[1]
    losses, gradients = ensemble.gradients(batch, learn=True)
    own_before, start = gradients.clone(), ensemble.theta.detach().clone()
    ensemble.descend(losses, gradients)
    length = (ensemble.theta.detach() - start).norm(dim=1)
    changes = [
        (ensemble.gradients(seen)[1] - before).norm(dim=1) / length
        for seen, before in ((batch, own_before), (fixed, fixed_before))
    ]
    return torch.stack(changes).double().cpu()


COLUMNS = ("norm", "step_size", "smoothness", "smoothness_fixed", "unsteadiness")


def train(
    setting: Setting,
    seeds: list[int],
    fixed: float,
    device: str,
    path: Path,
    end: float,
) -> list[Row] | None:
    """Train all arms from these seeds, from where an earlier portion stopped.

    Returns
    -------
    list of dict or None
        One row for each run (see :func:`rows_of`); None if the time ended before the
        last step, which leaves a checkpoint behind.
    """
    arms = setting.arms
    runs = [
        run_of(arm, setting, seed, fixed, i * len(arms) + arms.index("p=10"))
        for i, seed in enumerate(seeds)
        for arm in arms
    ]
    ensemble = begin(runs, setting, setting.steps, device)
    draw = Minibatches(setting, ensemble.seeds, device)
    # The one that is the same throughout: no step's own.
    same = Minibatches(setting, [1000 + seed for seed in ensemble.seeds], device)()
    dynamics = torch.full((setting.steps // BLOCK, len(COLUMNS), len(runs)), math.nan)
    scores: dict[str, list[list[float]]] = {}
    seconds = 0.0
    parts = {
        "ensemble": ensemble,
        **{f"draw {i}": generator for i, generator in enumerate(draw.generators)},
    }
    if path.exists():
        kept = load_checkpoint(path, **parts)
        dynamics, scores, seconds = (kept[n] for n in ("dynamics", "scores", "seconds"))
    if device != "cpu":
        ensemble.capture(torch.zeros_like(same))
    saved, started = time.monotonic(), time.process_time()
    patience = SAVE_EVERY
    for block in range(ensemble.steps // BLOCK, setting.steps // BLOCK):
        for _ in range(BLOCK - 1):
            ensemble.step(draw())
        smoothness = measured_step(ensemble, draw(), same)
        steps = ensemble.steps
        lengths = ensemble.lengths[:, steps - BLOCK : steps]
        dynamics[block] = torch.stack(
            [
                ensemble.norms[:, steps - 1].cpu(),
                lengths[:, -1].cpu(),
                *smoothness,
                lengths.log().std(dim=1).cpu(),
            ]
        )
        for share in (25, 50, 100):
            if steps == BLOCK * round(setting.steps / BLOCK * share / 100):
                scores[str(share)] = [
                    score(ensemble.network(run), setting) for run in range(len(runs))
                ]
        over = time.monotonic() >= end and steps < setting.steps
        if over or time.monotonic() >= saved + patience:
            begun = time.monotonic()
            save_checkpoint(
                path,
                **parts,
                dynamics=dynamics,
                scores=scores,
                seconds=seconds + time.process_time() - started,
            )
            saved = time.monotonic()
            # Many large networks take seconds: a twentieth of the time at most.
            patience = max(SAVE_EVERY, 20 * (saved - begun))
        if over:
            return None
    seconds += time.process_time() - started
    return rows_of(setting, ensemble, dynamics.double().numpy(), scores, seconds)


def rows_of(
    setting: Setting,
    ensemble: Ensemble,
    dynamics: np.ndarray,
    scores: dict[str, list[list[float]]],
    seconds: float,
) -> list[Row]:
    """Return what is kept of each run.

    Keys: ``arm`` and ``seed``; ``25``, ``50`` and ``100``, the SI-SDR improvement in
    dB of each test tune at so many percent of the steps; ``leak`` in dB, where the task
    has silence; ``norm_median`` and ``norm_max`` before clipping; ``path`` and
    ``path_late``, the sum of all step lengths and of those of the second half;
    ``dynamics``, a dict of :data:`COLUMNS`, for the arms that are watched; ``seconds``
    of processor time, a share of those of the ensemble.
    """
    rows = []
    norms, lengths = ensemble.norms.cpu().numpy(), ensemble.lengths.cpu().numpy()
    for i, run in enumerate(ensemble.runs):
        arm = setting.arms[i % len(setting.arms)]
        columns = dynamics[:, :, i].T.tolist()
        rows.append(
            {
                "arm": arm,
                "seed": run.seed,
                **{share: values[i] for share, values in scores.items()},
                "leak": leak(ensemble.network(i), setting) if setting.silent else None,
                "norm_median": number(np.median(norms[i])),
                "norm_max": number(norms[i].max()),
                "path": number(lengths[i].sum()),
                "path_late": number(lengths[i, setting.steps // 2 :].sum()),
                "dynamics": {
                    name: [number(value, 4) for value in values]
                    for name, values in zip(COLUMNS, columns, strict=True)
                }
                if arm in WATCHED
                else None,
                "seconds": round(seconds / len(ensemble.runs), 1),
            }
        )
    return rows


@torch.no_grad()
def score(network: nn.Module, setting: Setting) -> list[float]:
    """Return the SI-SDR improvement of each test tune, in dB."""
    network.eval()
    scores = []
    for excerpts in music(setting.task).test:
        sources = excerpts.to(next(network.parameters()).device)
        mixture = sources.sum(dim=1)
        estimates = apply_masks(network(mixture), mixture)
        each = si_sdr_improvement(estimates, sources).mean(dim=1)
        if setting.task == "two voices":
            turned = si_sdr_improvement(estimates.flip(1), sources).mean(dim=1)
            each = each.maximum(turned)
        mean = each.mean().item()
        scores.append(number(mean, 4) if math.isfinite(mean) else 0.0)
    return scores


@torch.no_grad()
def leak(network: nn.Module, setting: Setting) -> float:
    """Return how much is left in a silent source, in dB re the mixture."""
    network.eval()
    sources = torch.cat(music(setting.task).test)
    levels = []
    for silent in (0, 1):
        mixture = sources[:, 1 - silent].to(next(network.parameters()).device)
        estimate = apply_masks(network(mixture), mixture)[:, silent]
        ratio = estimate.square().sum(dim=1) / mixture.square().sum(dim=1)
        levels.append(10 * torch.log10(ratio + 1e-12))
    return number(torch.cat(levels).mean().item(), 4)


def number(value: float, digits: int = 5) -> float:
    """Return a number with so many significant digits."""
    return float(f"{value:.{digits}g}")


# --- The log


def groups(gpu: bool) -> Iterator[tuple[str, list[int]]]:
    """Return which setting with which seeds comes when."""
    if gpu:
        for name, setting in SETTINGS.items():
            if "wid" in name:  # width, wide
                yield name, list(range(setting.seeds))
        return
    for scale in (("longer", "wid"), ("wid",)):  # what is left out
        for seed in range(6):
            for name, setting in SETTINGS.items():
                if seed < setting.seeds and not any(word in name for word in scale):
                    yield name, [seed]


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    named = {name: version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **named, **NEEDED}


def made(device: str) -> dict[str, Any]:
    """Return how a result is made, and on what."""
    gpu = device != "cpu"
    return {
        "command": f"python experiments/{Path(__file__).name} --record"
        + " --gpu" * gpu,
        "machine": torch.cuda.get_device_name()
        if gpu
        else f"{platform.system()} {platform.machine()}, one thread",
        "versions": versions(),
    }


def fingerprint(name: str) -> str:
    """Return a word that differs if a setting does."""
    told = json.dumps([name, asdict(SETTINGS[name])], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def logged(log: Path) -> list[Row]:
    """Return the finished runs of these settings, pilots among them."""
    if not log.exists():
        return []
    text = log.read_text("utf8")
    # A kill while a line was being written leaves a part of it.
    lines = text[: text.rfind("\n") + 1].splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [
        row
        for row in rows
        if row["setting"] in SETTINGS
        and row["of"] == fingerprint(row["setting"])
        and "made" in row
    ]


def append(log: Path, name: str, rows: list[Row], device: str) -> None:
    """Add finished runs; they are on the disk when this returns."""
    with log.open("a", encoding="utf8") as file:
        for row in rows:
            line = {
                "of": fingerprint(name),
                "setting": name,
                **row,
                "made": made(device),
            }
            file.write(json.dumps(line, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def recorded(output: Path) -> set[tuple[Any, ...]]:
    """Return the setting, arm and seed of all runs of these settings in a record."""
    if not output.exists():
        return set()
    record = json.loads(output.read_text("utf8"))
    same = {
        name
        for name, setting in record["settings"].items()
        if name in SETTINGS
        and {**setting, "fixed": None}
        == json.loads(json.dumps({**asdict(SETTINGS[name]), "fixed": None}))
    }
    place = record["columns"].index
    keys = [place(column) for column in ("setting", "arm", "seed")]
    runs = {tuple(row[key] for key in keys) for row in record["rows"]}
    return {run for run in runs if run[0] in same}


def sweep(
    log: Path, minutes: float, gpu: bool = False, output: Path | None = None
) -> None:
    """Do the runs that are missing, in the log and in a record, for so many minutes."""
    device = "cuda" if gpu else "cpu"
    end = time.monotonic() + 60 * minutes
    torch.set_num_threads(1)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab+") as file:
        file.seek(0)
        # A kill while a line was being written leaves a part of it.
        file.truncate(file.read().rfind(b"\n") + 1)
    kept = recorded(output) if output else set()
    for name, wanted in groups(gpu):
        setting = SETTINGS[name]
        # What another machine did is recorded as well, but not gone on with.
        rows = [row for row in logged(log) if row["made"] == made(device)]
        done = {(row["arm"], row["seed"]) for row in rows if row["setting"] == name}
        done |= {run[1:] for run in kept if run[0] == name}
        seeds = [s for s in wanted if {(arm, s) for arm in setting.arms} - done]
        if not seeds:
            continue
        fixed = [row["norm_median"] for row in rows if is_pilot(row, name)]
        if "fixed" in setting.arms and not fixed:
            fixed = [pilot(setting, device)]
            median = {"arm": "pilot", "seed": PILOT_SEED, "norm_median": fixed[0]}
            append(log, name, [median], device)
        # Another version, or another device, does not go on with what is under way.
        maker = hashlib.sha256(json.dumps(made(device)).encode()).hexdigest()[:12]
        path = log.with_name(f"{log.stem}-{fingerprint(name)}-{maker}-{seeds[0]}.pt")
        ended = train(
            setting, seeds, fixed[0] if fixed else math.inf, device, path, end
        )
        if ended is None:
            return
        new = [row for row in ended if (row["arm"], row["seed"]) not in done]
        append(log, name, new, device)
        path.unlink(missing_ok=True)
        print(name, seeds, [r["seconds"] for r in ended], flush=True)
        if time.monotonic() >= end:
            return


def is_pilot(row: Row, name: str) -> bool:
    """Whether a row of the log is a setting's pilot."""
    return bool(row["setting"] == name and row["arm"] == "pilot")


# --- The record


def whole_groups(rows: list[Row]) -> list[Row]:
    """Return the runs of those settings and seeds of which one machine made all arms.

    Two machines differ by rounding, and arms of one seed are compared. Of several
    machines the last that is whole counts.
    """
    groups: dict[tuple[str, int], dict[str, dict[str, Row]]] = {}
    for row in rows:
        if row["arm"] != "pilot":
            makers = groups.setdefault((row["setting"], row["seed"]), {})
            makers.setdefault(json.dumps(row["made"]), {})[row["arm"]] = row
    kept: list[Row] = []
    for (name, _), makers in groups.items():
        wanted = {*SETTINGS[name].arms}
        whole = [arms for arms in makers.values() if wanted <= arms.keys()]
        kept += whole[-1].values() if whole else []
    return kept


def record(rows: list[Row], output: Path) -> None:
    """Add to the record for the book: a table with how it was made."""
    pilots = {
        (row["setting"], json.dumps(row["made"])): row["norm_median"]
        for row in rows
        if row["arm"] == "pilot"
    }
    rows = whole_groups(rows)
    fixed = {
        row["setting"]: pilots.get((row["setting"], json.dumps(row["made"])))
        for row in rows
        if row["arm"] == "fixed"
    }
    ways: list[dict[str, Any]] = []
    kept: list[Row] = []
    if output.exists():
        old = json.loads(output.read_text("utf8"))
        ways = old["made"]
        kept = [dict(zip(old["columns"], row, strict=True)) for row in old["rows"]]
        fixed = {
            **{n: s["fixed"] for n, s in old["settings"].items()},
            **{n: value for n, value in fixed.items() if value is not None},
        }
    for row in rows:
        if row["made"] not in ways:
            ways.append(row["made"])
    new = {
        (row["setting"], row["arm"], row["seed"]): {
            **{key: value for key, value in row.items() if key != "of"},
            "made": ways.index(row["made"]),
        }
        for row in rows
    }
    table = {(row["setting"], row["arm"], row["seed"]): row for row in kept} | new
    order = list(SETTINGS)
    ordered = sorted(
        table.values(),
        key=lambda r: (
            order.index(r["setting"]),
            SETTINGS[r["setting"]].arms.index(r["arm"]),
            r["seed"],
        ),
    )
    git = ("git", "-C", str(ROOT), "log", "--reverse", "--format=%h %aI", str(PLAN))
    commits = subprocess.run(git, check=True, capture_output=True, text=True).stdout
    names = list(dict.fromkeys(row["setting"] for row in ordered))
    columns = list(ordered[0])
    about = {
        "made": ways,
        "plan": {
            "file": f"experiments/{PLAN.name}",
            "commits": commits.splitlines(),
            "sha256": hashlib.sha256(PLAN.read_bytes()).hexdigest(),
        },
        "settings": {
            name: {**asdict(SETTINGS[name]), "fixed": fixed.get(name)} for name in names
        },
        "columns": columns,
    }
    lines = [json.dumps([row[name] for name in columns]) for row in ordered]
    text = json.dumps(about, indent=2)[:-2] + ',\n  "rows": [\n    '
    text += ",\n    ".join(lines) + "\n  ]\n}\n"
    with replacing(output) as file:
        file.write(text.encode())


def main() -> None:
    """Read the command line, run, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, help="stop then and save; at 0, run nothing"
    )
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="the settings called width and wide, all seeds as one, for ten minutes",
    )
    parser.add_argument(
        "--log", type=Path, default=cache_folder() / "clipping_controls.jsonl"
    )
    parser.add_argument("--record", action="store_true", help="keep the result")
    parser.add_argument("--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    gpu, minutes = arguments.gpu, arguments.minutes
    if minutes is None:
        minutes = 10 if gpu else math.inf
    if minutes > 0:
        sweep(arguments.log, minutes, gpu, arguments.output)
    if arguments.record:
        rows = logged(arguments.log)
        if whole_groups(rows):
            record(rows, arguments.output)
        elif minutes > 0:  # the first portion of many
            print("nothing to record yet")
        else:
            parser.error(f"{arguments.log} has no setting with all arms of a seed")


if __name__ == "__main__":
    main()
