"""Which guarded start of AutoClip holds up? The runs of the plan beside this file.

    python experiments/guarded_start.py              # do the runs that are missing
    python experiments/guarded_start.py --record     # judge, keep the result

Each finished run is one line of a log, written at once. Started again after a kill
the program does the runs that are missing. ``guarded_start.md`` was committed
before the first run; :func:`verdict` is what it says, as code.
"""

import argparse
import hashlib
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import torch
from torch import Tensor, nn

from descent.clipping import global_norm
from descent.music.chorales import cache_folder, load_chorales
from descent.music.separation import MaskNetwork, cut, draw_excerpts, evaluate, snr_loss
from descent.recurrent import ReluRNN, adding_batch
from descent.seeds import set_seed

ROOT = Path(__file__).parents[1]
PLAN = Path(__file__).with_suffix(".md")
RECORD = ROOT / "src/descent/recorded/guarded_start.json"

PERCENTILE = 10
FIRST_SEED = 100
CANDIDATES = ("ramp 50", "ramp 100", "ramp 200", "smallest 50", "cleared 50")
MATCHED = tuple(f"plain as {name}" for name in CANDIDATES)
# Each after the run whose step lengths it takes.
MOST = ("plain", "none", "fixed", *CANDIDATES, *MATCHED, "plain, path of ramp 100")
EVERYTHING = (
    *(*MOST, "ramp 100 as plain", "ceiling 1.5", "rate warm-up 100"),
    *("none, beta2 .95", "plain, beta2 .95"),
)
FEW = ("plain", "none", *CANDIDATES)
LEVEL = 1 - 0.05 / len(CANDIDATES)


@dataclass(frozen=True)
class Setting:
    """A task with an optimizer, and which runs it gets."""

    task: str
    optimizer: str
    rate: float
    steps: int
    seeds: int
    arms: tuple[str, ...] = FEW
    fixed: float = 1.0


# Those of the verdict's first and third condition come first.
SETTINGS = {
    "adding": Setting("adding", "Adam", 1e-3, 800, 12, EVERYTHING),
    "separation": Setting("separation", "Adam", 1e-3, 200, 8, MOST, fixed=3.0),
    "regression": Setting("regression", "Adam", 1e-3, 800, 12, EVERYTHING),
    "adding, rate .003": Setting("adding", "Adam", 3e-3, 800, 8),
    "separation, rate .01": Setting("separation", "Adam", 1e-2, 200, 6),
    "adding, RMSProp": Setting("adding", "RMSProp", 1e-3, 800, 8),
    "regression, SGD": Setting("regression", "SGD", 3e-2, 800, 8),
    "adding, 2400 steps": Setting("adding", "Adam", 1e-3, 2400, 4),
}
JUDGED = ("adding", "separation")

# Which seeds come first, of which of the judged settings.
BLOCKS = (
    ((range(3), JUDGED), (range(3, 5), JUDGED), (range(5, 8), ("adding",))),
    ((range(5, 8), JUDGED),),
    ((range(8, 12), JUDGED),),
)


class Run(NamedTuple):
    """One training run."""

    setting: str
    arm: str
    seed: int


Row = dict[str, Any]


# --- The tasks


class Task(NamedTuple):
    """A network, its loss at every step, and how good it is in dB in the end."""

    model: nn.Module
    loss: Callable[[], Tensor]
    score: Callable[[list[float], list[float]], float]
    watch: Callable[[], float]  # what is looked at every tenth of the last 100 steps


def task(name: str, seed: int) -> Task:
    """Return the task; the same seed gives the same start and the same minibatches."""
    set_seed(seed)
    return {"adding": adding, "separation": separation, "regression": regression}[name](
        seed
    )


def decibels(error: float) -> float:
    """Return an error as a score of which more is better."""
    return -10 * math.log10(error)


def adding(seed: int) -> Task:
    """Remember two of 50 numbers, answer with their sum."""
    model, draw = ReluRNN(), torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        inputs, sums = adding_batch(32, 50, draw)
        return ((model(inputs) - sums) ** 2).mean()

    def score(losses: list[float], _: list[float]) -> float:
        return decibels(statistics.median(losses[-100:]))

    return Task(model, loss, score, lambda: 0.0)


def separation(seed: int) -> Task:
    """Separate violin and piano, one of them silent in every fifth excerpt."""
    data = music()
    model, draw = MaskNetwork(), torch.Generator().manual_seed(seed)

    def loss() -> Tensor:
        sources = draw_excerpts(data.training.sources, 4, 100, draw, silent=0.2)
        return snr_loss(model(sources.sum(dim=1)), sources)

    def score(*_: list[float]) -> float:
        return evaluate(model, cut(data.test.sources, 100)).mean().item()

    return Task(model, loss, score, lambda: 0.0)


@cache
def music() -> Any:
    """Return the book's chorales."""
    return load_chorales()


def regression(seed: int) -> Task:
    """Learn a sine from points with noise of infinite variance."""
    model = nn.Sequential(
        nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
    )
    rng = np.random.RandomState(seed)
    grid = torch.linspace(-1, 1, 200)[:, None]

    def loss() -> Tensor:
        x = rng.uniform(-1, 1, (32, 1))
        y = np.sin(2 * np.pi * x) + 0.3 * rng.standard_t(1.5, (32, 1))
        inputs, targets = torch.tensor(x).float(), torch.tensor(y).float()
        return ((model(inputs) - targets) ** 2).mean()

    def error() -> float:
        with torch.no_grad():
            return ((model(grid) - torch.sin(2 * np.pi * grid)) ** 2).mean().item()

    def score(_: list[float], errors: list[float]) -> float:
        return decibels(statistics.fmean(errors))

    return Task(model, loss, score, error)


# --- The rules


def limit(arm: str, fixed: float, norms: list[float]) -> float:
    """Return the threshold of the current step; its norm is the last of `norms`.

    Percentiles are computed by their definition, so that the runs do not depend on
    how the book's AutoClip does it. (A test compares the two.)
    """
    rule, step = arm.split(" as ")[0], len(norms)
    if rule.startswith("none"):
        return math.inf
    if rule == "fixed":
        return fixed
    percentile = float(np.percentile(norms, PERCENTILE))
    match rule.split():
        case ["ramp", steps]:
            return percentile * min(1, step / int(steps))
        case ["smallest", steps] if step <= int(steps):
            return min(norms)
        case ["ceiling", most] if step <= 50:
            return min(percentile, float(most))
    return percentile


def optimizer_of(setting: Setting, arm: str, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of a run."""
    weights, rate = model.parameters(), setting.rate
    if setting.optimizer == "SGD":
        return torch.optim.SGD(weights, lr=rate, momentum=0.9)
    if setting.optimizer == "RMSProp":
        return torch.optim.RMSprop(weights, lr=rate)
    beta2 = 0.95 if "beta2 .95" in arm else 0.999
    return torch.optim.Adam(weights, lr=rate, betas=(0.9, beta2))


# --- One run


def train(
    run: Run, lengths: np.ndarray | None = None, factor: float = 1
) -> tuple[Row, np.ndarray]:
    """Train once; return a row of the result, and the length of every step.

    Keys besides those of the run: ``score`` in dB; ``first``, ``median`` and
    ``largest`` gradient norm; ``clipped``, the share of clipped steps; ``path``, the
    sum of all step lengths, and ``late``, their mean over the second half;
    ``seconds`` of processor time.

    Parameters
    ----------
    run : Run
        Which.
    lengths : numpy.ndarray, optional
        Make every step as long as this, shape (steps,).
    factor : float
        What the learning rate is multiplied by.
    """
    start = time.process_time()
    torch.set_num_threads(1)
    setting = SETTINGS[run.setting]
    setting = replace(setting, rate=setting.rate * factor)
    model, loss, score, watch = task(setting.task, run.seed)
    optimizer = optimizer_of(setting, run.arm, model)
    weights = list(model.parameters())
    norms: list[float] = []
    losses, watched, stepped, clipped = [], [], [], 0
    for step in range(1, setting.steps + 1):
        if run.arm.startswith("rate warm-up"):
            optimizer.param_groups[0]["lr"] = setting.rate * min(1, step / 100)
        value = loss()
        optimizer.zero_grad()
        value.backward()
        norm = global_norm(weights)
        if not math.isfinite(norm):
            break  # plain descent and its kind do not come back from there
        norms.append(norm)
        threshold = limit(run.arm, setting.fixed, norms)
        if norm > threshold:
            clipped += 1
            for weight in weights:
                weight.grad.mul_(threshold / norm)
        before = flat(weights)
        optimizer.step()
        moved = flat(weights) - before
        length = moved.norm().item()
        if lengths is not None and length > 0:
            length = float(lengths[step - 1])
            moved *= length / moved.norm()
            put(weights, before + moved)
        if step == 50 and run.arm == "cleared 50":
            optimizer.state.clear()
        losses.append(value.item())
        stepped.append(length)
        if step > setting.steps - 100 and step % 10 == 0:
            watched.append(watch())
    whole = len(losses) == setting.steps
    result = score(losses, watched) if whole else math.nan
    row = {
        **run._asdict(),
        "score": number(result) if math.isfinite(result) else 0.0,
        "first": number(norms[0]),
        "median": number(statistics.median(norms)),
        "largest": number(max(norms)),
        "clipped": number(clipped / len(norms)),
        "path": number(sum(stepped)),
        "late": number(statistics.fmean(stepped[len(stepped) // 2 :])),
        "seconds": round(time.process_time() - start, 1),
    }
    return row, np.array(stepped)


def flat(weights: list[nn.Parameter]) -> Tensor:
    """Return a copy of all weights as one vector."""
    return torch.cat([weight.detach().flatten() for weight in weights])


def put(weights: list[nn.Parameter], values: Tensor) -> None:
    """Set all weights from one vector."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(values, weights)


def number(value: float) -> float:
    """Return a number with five significant digits."""
    return float(f"{value:.5g}")


# --- The log


def runs(log: Path) -> Iterator[Run]:
    """Return all runs, the most important first, in view of those that are done.

    In blocks of seeds: the judged settings, the controls, the other settings. Where
    the plan says so, only for candidates that are better than plain so far. What is
    beside the judgment comes last.
    """
    judging = ("plain", *CANDIDATES, "none")
    for blocks in BLOCKS:
        for seeds, names in blocks:
            for seed, name in itertools.product(seeds, names):
                yield from some(name, seed, judging)
            alive = better(logged(log))
            for seed, name in itertools.product(seeds, names):
                yield from some(name, seed, [f"plain as {arm}" for arm in alive])
        every = sorted({seed for seeds, _ in blocks for seed in seeds})
        for seed in every:
            yield from some("adding", seed, ["plain, path of ramp 100"])
            if seed < 5:
                yield from some("separation", seed, ["plain, path of ramp 100"])
            yield from some("regression", seed, judging)
            for name in list(SETTINGS)[3:7]:
                yield from some(name, seed, ["plain", *alive])
        for seed in every:
            for name in list(SETTINGS)[:3]:
                arms = SETTINGS[name].arms
                yield from some(name, seed, [a for a in arms if a not in MATCHED])
    for seed in range(4):
        yield from some("adding, 2400 steps", seed, ["plain", "none", *alive])


def some(setting: str, seed: int, arms: Iterable[str]) -> Iterator[Run]:
    """Return the runs of one setting and seed, if it is to have so many seeds."""
    if seed < SETTINGS[setting].seeds:
        yield from (Run(setting, arm, FIRST_SEED + seed) for arm in arms)


def better(rows: list[Row]) -> list[str]:
    """Return the candidates that are better than plain, on average, where judged."""
    return [
        name
        for name in CANDIDATES
        if all(difference(rows, s, name, "plain")[0] > 0 for s in JUDGED)
    ]


def fingerprint() -> str:
    """Return a word that differs if settings or versions do."""
    settings = {name: asdict(setting) for name, setting in SETTINGS.items()}
    told = json.dumps([settings, versions()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    named = {name: version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **named}


def logged(log: Path) -> list[Row]:
    """Return the finished runs of these settings and versions."""
    if not log.exists():
        return []
    lines = map(json.loads, log.read_text("utf8").splitlines())
    return [line["row"] for line in lines if line["of"] == fingerprint()]


def sweep(log: Path, minutes: float) -> None:
    """Do the runs that are missing, for so many minutes of processor time at most."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab+") as file:
        file.seek(0)
        # A kill while a line was being written leaves a part of it.
        file.truncate(file.read().rfind(b"\n") + 1)
    rows = logged(log)
    done = {Run(row["setting"], row["arm"], row["seed"]) for row in rows}
    left = 60 * minutes - sum(row["seconds"] for row in rows)
    steps: dict[Run, np.ndarray] = {}

    def lengths(run: Run) -> np.ndarray:
        if run not in steps:  # it ran before the kill
            steps[run] = train(run)[1]
        return steps[run]

    with log.open("a", encoding="utf8") as file:
        for run in runs(log):
            if run in done:
                continue
            done.add(run)
            if left <= 0:
                return
            if " as " in run.arm:
                other = run._replace(arm=run.arm.split(" as ")[1])
                row, steps[run] = train(run, lengths(other))
            elif " path of " in run.arm:
                other = run._replace(arm=run.arm.split(" path of ")[1])
                plain = run._replace(arm="plain")
                factor = lengths(other).sum() / lengths(plain).sum()
                row, steps[run] = train(run, factor=float(factor))
            else:
                row, steps[run] = train(run)
            line = json.dumps({"of": fingerprint(), "row": row}, allow_nan=False)
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
            left -= row["seconds"]
            print(*run, row["score"], row["seconds"], flush=True)


# --- The verdict


def scores(rows: Iterable[Row], setting: str, arm: str) -> dict[int, float]:
    """Return the score of every seed."""
    return {
        row["seed"]: row["score"]
        for row in rows
        if (row["setting"], row["arm"]) == (setting, arm)
    }


def student(level: float, degrees: int) -> float:
    """Return the t with P(-t < T < t) = `level`, T of Student's distribution."""

    def missing(t: float) -> float:
        outside = mpmath.betainc(
            degrees / 2, 0.5, 0, degrees / (degrees + t**2), regularized=True
        )
        return 1 - outside - level

    return float(mpmath.findroot(missing, 3.0))


def difference(
    rows: list[Row], setting: str, arm: str, other: str, level: float = LEVEL
) -> tuple[float, float, int, int]:
    """Return the mean paired difference in dB, its half interval, wins, and pairs."""
    ours, theirs = scores(rows, setting, arm), scores(rows, setting, other)
    pairs = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    count = len(pairs)
    if count < 2:
        raise ValueError(f"{setting} must have two seeds of {arm} and {other}")
    half = student(level, count - 1) * statistics.stdev(pairs)
    wins = sum(pair > 0 for pair in pairs)
    return statistics.fmean(pairs), float(half / math.sqrt(count)), wins, count


def verdict(rows: list[Row]) -> dict[str, Any]:
    """Judge every candidate as the plan says."""
    settings = sorted({row["setting"] for row in rows}, key=list(SETTINGS).index)

    def above(setting: str, arm: str, other: str) -> bool:
        # A candidate that was given up has no runs in some settings.
        if len(scores(rows, setting, arm)) < 2 or len(scores(rows, setting, other)) < 2:
            return False
        mean, half, *_ = difference(rows, setting, arm, other)
        return mean - half > 0

    judged = {}
    for name in CANDIDATES:
        helps = [s for s in JUDGED if above(s, name, "plain")]
        harms = [s for s in settings if above(s, "plain", name)]
        more = [s for s in JUDGED if above(s, name, f"plain as {name}")]
        word = "does not hold up"
        if len(helps) == len(JUDGED) and not harms:
            word = "holds up" if len(more) == len(JUDGED) else "longer steps"
        judged[name] = {
            "verdict": word,
            "helps": helps,
            "harms": harms,
            "more than longer steps": more,
        }
    holding = [name for name in CANDIDATES if judged[name]["verdict"] == "holds up"]

    def gain(name: str) -> float:
        return min(difference(rows, s, name, "plain")[0] for s in JUDGED)

    return {"option": max(holding, key=gain, default=None), "candidates": judged}


def differences(rows: list[Row]) -> list[dict[str, Any]]:
    """Return every paired difference that has an interval, in dB.

    To plain AutoClip, and of each candidate to its step-matched control.
    """
    table = []
    for setting in SETTINGS:
        arms = {row["arm"] for row in rows if row["setting"] == setting}
        pairs = [(arm, "plain") for arm in sorted(arms - {"plain"})]
        pairs += [(arm.removeprefix("plain as "), arm) for arm in MATCHED]
        for arm, other in pairs:
            both = scores(rows, setting, arm).keys() & scores(rows, setting, other)
            if len(both) < 2:
                continue
            mean, half, wins, count = difference(rows, setting, arm, other)
            table.append(
                {
                    "setting": setting,
                    "arm": arm,
                    "other": other,
                    "mean": round(mean, 3),
                    "half": round(half, 3),
                    "wins": wins,
                    "pairs": count,
                }
            )
    return table


def record(rows: list[Row], output: Path) -> None:
    """Write the result for the book: a table with how it was made."""
    git = ("git", "-C", str(ROOT), "log", "-1", "--format=%h %cI", "--", str(PLAN))
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout
    columns = list(rows[0])
    order = list(SETTINGS)
    rows = sorted(rows, key=lambda r: (order.index(r["setting"]), r["seed"]))
    about = {
        "command": "python experiments/guarded_start.py --record",
        "machine": f"{platform.system()} {platform.machine()}, one thread a run",
        "versions": versions(),
        "plan": {
            "file": f"experiments/{PLAN.name}",
            "commit": commit.strip(),
            "sha256": hashlib.sha256(PLAN.read_bytes()).hexdigest(),
        },
        "settings": {
            name: {
                **asdict(setting),
                "seeds": sorted({r["seed"] for r in rows if r["setting"] == name}),
            }
            for name, setting in SETTINGS.items()
        },
        "level": LEVEL,
        "verdict": verdict(rows),
        "differences": differences(rows),
        "columns": columns,
    }
    lines = [json.dumps([row[name] for name in columns]) for row in rows]
    text = json.dumps(about, indent=2)[:-2] + ',\n  "rows": [\n    '
    text += ",\n    ".join(lines) + "\n  ]\n}\n"
    output.write_text(text, "utf8")


def main() -> None:
    """Read the command line, run, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=35, help="of processor time")
    parser.add_argument(
        "--log", type=Path, default=cache_folder() / "guarded_start.jsonl"
    )
    parser.add_argument("--record", action="store_true", help="keep the result")
    parser.add_argument("--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    if not arguments.record:
        sweep(arguments.log, arguments.minutes)
        return
    rows = logged(arguments.log)
    record(rows, arguments.output)
    print(json.dumps(verdict(rows), indent=2))


if __name__ == "__main__":
    main()
