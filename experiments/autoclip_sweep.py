"""Does AutoClip help? The runs behind the chapter that asks.

Four settings, each trained with and without clipping, with several percentiles and
fixed thresholds, at several learning rates, from several seeds. Runs of the same
seed start from the same weights and see the same minibatches.

    pip install -r experiments/requirements.txt
    python experiments/autoclip_sweep.py --plan           # what there is to do
    python experiments/autoclip_sweep.py --record         # do it, keep the result

Each finished run is one line of a log, written at once; started again after a kill
the program does the runs that are missing, and those of an earlier record are not
repeated either. Without more ado runs are spread over the
cores of this machine. On a cluster, with this package installed on every worker:

    python experiments/autoclip_sweep.py --backend dask --scheduler tcp://HOST:8786
"""

import argparse
import hashlib
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor

from descent.clipping import AutoClip, ClipNorm, Clipper, global_norm
from descent.music.chorales import cache_folder, load_chorales
from descent.music.packages import NEEDED
from descent.music.separation import (
    MaskNetwork,
    cut,
    draw_excerpts,
    evaluate,
    phase_sensitive_loss,
    snr_loss,
)
from descent.seeds import set_seed

RECORD = Path(__file__).parents[1] / "src/descent/recorded/autoclip_sweep.json"

PERCENTILES = (0, 1, 10, 25, 50, 90, 100)

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "L1": phase_sensitive_loss,
    "SNR": snr_loss,
}


@dataclass(frozen=True)
class Setting:
    """What is trained, and at which rates.

    Every way to clip is tried at the first of the `rates`; at the others only no
    clipping, AutoClip's recommended percentile, and the best fixed threshold.
    """

    loss: str
    rates: tuple[float, ...]
    thresholds: tuple[float, ...]
    layers: int = 1
    frames: int = 100
    batch: int = 4
    silent: float = 0.0


SETTINGS = {
    "L1": Setting("L1", (1e-3, 3e-4, 3e-3, 1e-2, 3e-2), (0.003, 0.01, 0.03)),
    "SNR": Setting("SNR", (3e-3, 3e-4, 1e-3, 1e-2, 3e-2), (1.0, 3.0, 10.0)),
    "SNR with silence": Setting(
        "SNR", (3e-3, 3e-4, 1e-3, 1e-2, 3e-2), (1.0, 3.0, 10.0), silent=0.2
    ),
    # Nearest to the paper: its loss, its optimizer's rate, deeper, longer excerpts.
    "paper-like": Setting(
        "L1", (1e-3, 3e-3, 1e-2), (0.003, 0.01, 0.03), layers=2, frames=400, batch=2
    ),
}


@dataclass(frozen=True)
class Run:
    """One training run: a cell of the grid, and a seed."""

    setting: str
    clip: str  # "none", "p=10", "fixed 0.1"
    lr: float
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """What `--only` looks at."""
        return f"{self.setting}/{self.clip}/{self.lr:g}/{self.seed}"

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Run":
        """Return the run that a row of the result came from."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


Row = dict[str, Any]


def clipper(clip: str) -> Clipper | None:
    """Return the clipper that a run's `clip` names."""
    if clip == "none":
        return None
    if clip.startswith("p="):
        return AutoClip(float(clip.removeprefix("p=")))
    return ClipNorm(float(clip.removeprefix("fixed ")))


def train(run: Run) -> Row:
    """Train once and return what came out, a row of the result.

    Keys besides those of the run: ``validation`` and ``test``, the mean SI-SDR
    improvement in decibels (None if it is not a number); ``loss``, the mean training
    loss of the last tenth of the steps; ``norm_median`` and ``norm_max`` of the
    gradient norms before clipping; ``clipped``, the share of steps that were
    clipped; ``seconds``.
    """
    start = time.perf_counter()
    torch.set_num_threads(1)
    setting = SETTINGS[run.setting]
    data = load_chorales()
    set_seed(run.seed)
    draw = torch.Generator().manual_seed(run.seed)
    model = MaskNetwork(layers=setting.layers)
    adam = torch.optim.Adam(model.parameters(), lr=run.lr)
    clip = clipper(run.clip)
    losses, norms, clipped = [], [], 0
    for _ in range(run.steps):
        sources = draw_excerpts(
            data.training.sources, setting.batch, setting.frames, draw, setting.silent
        )
        loss = LOSSES[setting.loss](model(sources.sum(dim=1)), sources)
        adam.zero_grad()
        loss.backward()
        if clip is None:
            norms.append(global_norm(model.parameters()))
        else:
            report = clip(model.parameters())
            norms.append(report.grad_norm)
            clipped += report.clipped
        adam.step()
        losses.append(loss.item())

    def score(sources: np.ndarray) -> float | None:
        return number(evaluate(model, cut(sources, 100)).mean().item())

    return {
        **asdict(run),
        "validation": score(data.validation.sources),
        "test": score(data.test.sources),
        "loss": number(statistics.fmean(losses[-max(run.steps // 10, 1) :])),
        "norm_median": number(statistics.median(norms)),
        "norm_max": number(max(norms)),
        "clipped": number(clipped / run.steps),
        "seconds": round(time.perf_counter() - start, 1),
    }


def number(value: float) -> float | None:
    """Return a number with five significant digits; None if it is not finite."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


# --- The plan


def plan(rows: list[Row], seeds: int, steps: int) -> list[Run]:
    """Return all runs that can be named so far, the first seed of everything first.

    The runs with the best fixed threshold at other rates come into the plan once all
    thresholds have been tried at the first rate.
    """
    runs = []
    for name, setting in SETTINGS.items():
        fixed = [f"fixed {threshold:g}" for threshold in setting.thresholds]
        first, *others = setting.rates
        best = best_fixed(rows, name, fixed, first, seeds)
        cells = [
            (clip, first) for clip in ("none", *(f"p={p}" for p in PERCENTILES), *fixed)
        ]
        for lr in others:
            cells += [(clip, lr) for clip in ("none", "p=10", *best)]
        runs += [
            Run(name, clip, lr, seed, steps)
            for clip, lr in cells
            for seed in range(seeds)
        ]
    return sorted(runs, key=lambda run: run.seed)


def best_fixed(
    rows: list[Row], setting: str, fixed: list[str], lr: float, seeds: int
) -> list[str]:
    """Return the threshold with the best validation score; nothing before all ran.

    By validation, because what was chosen by the test set could not be tested on it.
    """
    scores = []
    for clip in fixed:
        found = [
            row["validation"] if row["validation"] is not None else -np.inf
            for row in rows
            if (row["setting"], row["clip"], row["lr"]) == (setting, clip, lr)
            and row["seed"] < seeds
        ]
        if len(found) < seeds:
            return []
        scores.append(statistics.fmean(found))
    return [fixed[int(np.argmax(scores))]]


# --- The log


class Log:
    """A file with one line of JSON a run, to which lines are only ever added.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            data = file.read()
            # A kill while a line was being written leaves a part of it.
            file.truncate(data.rfind(b"\n") + 1)

    def rows(self) -> list[Row]:
        """Return the finished runs of these settings and versions."""
        lines = map(json.loads, self.path.read_text("utf8").splitlines())
        return [line["row"] for line in lines if line["of"] == fingerprint()]

    def append(self, row: Row) -> None:
        """Add a finished run; it is on the disk when this returns."""
        line = json.dumps({"of": fingerprint(), "row": row}, allow_nan=False) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {name: version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **found, **NEEDED}


def fingerprint() -> str:
    """Return a word that differs if settings or versions do."""
    settings = {name: asdict(setting) for name, setting in SETTINGS.items()}
    told = json.dumps([settings, versions()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


# --- The program


def sweep(arguments: argparse.Namespace) -> list[Row]:
    """Do all runs that the log has not; return those of the plan."""
    log = Log(arguments.log)
    logged = {Run.of(row) for row in log.rows()}
    kept = [row for row in recorded(arguments.output) if Run.of(row) not in logged]
    end = time.monotonic() + 60 * arguments.minutes
    failed: set[Run] = set()
    while True:
        rows = [*kept, *log.rows()]
        done = {Run.of(row) for row in rows}
        wanted = [
            run
            for run in plan(rows, arguments.seeds, arguments.steps)
            if re.search(arguments.only, run.name)
        ]
        todo = [run for run in wanted if run not in done and run not in failed]
        if arguments.plan:
            say(wanted, todo, rows)
        if not todo or arguments.plan or time.monotonic() >= end:
            break

        def until_the_end(todo: list[Run] = todo) -> Iterator[Any]:
            for run in todo:
                if time.monotonic() >= end:
                    return
                yield joblib.delayed(attempt)(run)

        with backend(arguments):
            parallel = joblib.Parallel(
                batch_size=1, pre_dispatch="1 * n_jobs", return_as="generator_unordered"
            )
            for count, (run, row, error) in enumerate(parallel(until_the_end()), 1):
                if row is None:
                    failed.add(run)
                    print(f"{run.name} failed: {error}", file=sys.stderr, flush=True)
                    continue
                log.append(row)
                score = "not a number" if row["test"] is None else f"{row['test']} dB"
                print(
                    f"{count:4} of {len(todo)}  {run.name:32} {score:>12} "
                    f"{row['seconds']:6.1f} s",
                    flush=True,
                )
    if failed:
        raise SystemExit(f"{len(failed)} runs failed; all others are in the log")
    return [row for row in rows if Run.of(row) in set(wanted)]


def attempt(run: Run) -> tuple[Run, Row | None, str]:
    """Train; an error is an answer, too, so that it does not stop the others."""
    try:
        return run, train(run), ""
    except Exception as error:
        return run, None, f"{type(error).__name__}: {error}"


def backend(arguments: argparse.Namespace) -> joblib.parallel_config:
    """Return where runs are to be run: on this machine's cores or a Dask cluster."""
    if arguments.backend == "dask":
        return joblib.parallel_config(
            "dask", n_jobs=-1, scheduler_host=arguments.scheduler
        )
    return joblib.parallel_config(
        "loky", n_jobs=arguments.jobs, inner_max_num_threads=1
    )


def say(wanted: list[Run], todo: list[Run], rows: list[Row]) -> None:
    """Print how much there is to do, and how long it takes as far as is known."""
    print(f"{len(todo)} of {len(wanted)} runs to do")
    for name, setting in SETTINGS.items():
        seconds = [row["seconds"] for row in rows if row["setting"] == name]
        each = f"{statistics.median(seconds):.1f} s each" if seconds else "time unknown"
        count = sum(run.setting == name for run in todo)
        print(f"  {name:17} {count:4} to do, {each}")
        if not any(
            run.setting == name and run.clip[0] == "f" and run.lr != setting.rates[0]
            for run in wanted
        ):
            more = (len(setting.rates) - 1) * len({run.seed for run in wanted})
            print(f"  {'':17} {more:4} more with the best threshold, once it is known")


def recorded(path: Path) -> list[Row]:
    """Return the runs of an earlier record with these settings and versions."""
    if not path.exists():
        return []
    result = json.loads(path.read_text("utf8"))
    settings = {name: asdict(setting) for name, setting in SETTINGS.items()}
    # Through JSON and back, because it knows no tuples.
    if result["settings"] != json.loads(json.dumps(settings)):
        return []
    if result["versions"] != versions():
        return []
    return [
        {**dict(zip(result["columns"], row, strict=True)), "steps": result["steps"]}
        for row in result["rows"]
    ]


def record(rows: list[Row], arguments: argparse.Namespace) -> None:
    """Write the result for the book: a table with how it was made."""
    columns = [name for name in rows[0] if name != "steps"]
    order = list(SETTINGS)
    rows = sorted(
        rows,
        key=lambda row: (
            order.index(row["setting"]),
            row["lr"],
            row["clip"],
            row["seed"],
        ),
    )
    options = f"--record --seeds {arguments.seeds} --steps {arguments.steps}"
    if arguments.only:
        options += f" --only {arguments.only!r}"
    about = {
        "command": f"python experiments/autoclip_sweep.py {options}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        "one thread a run",
        "versions": versions(),
        "seeds": sorted({row["seed"] for row in rows}),
        "steps": arguments.steps,
        "settings": {name: asdict(setting) for name, setting in SETTINGS.items()},
        "columns": columns,
    }
    # One line a run: readable, and a change of one run is a change of one line.
    lines = [json.dumps([row[name] for name in columns]) for row in rows]
    text = json.dumps(about, indent=2)[:-2] + ',\n  "rows": [\n    '
    text += ",\n    ".join(lines) + "\n  ]\n}\n"
    arguments.output.write_text(text, "utf8")


def main() -> None:
    """Read the command line, run, and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument(
        "--only", default="", help="only runs whose SETTING/CLIP/LR/SEED matches"
    )
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="start no run after this"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--backend", choices=("loky", "dask"), default="loky")
    parser.add_argument("--scheduler", help="address of the Dask scheduler")
    parser.add_argument(
        "--log", type=Path, default=cache_folder() / "autoclip_sweep.jsonl"
    )
    parser.add_argument("--plan", action="store_true", help="only say what is to do")
    parser.add_argument(
        "--record", action="store_true", help="keep the result for the book"
    )
    parser.add_argument("--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    if arguments.backend == "dask" and not arguments.scheduler:
        parser.error("--backend dask needs --scheduler ADDRESS")
    rows = sweep(arguments)
    if arguments.record and rows:
        record(rows, arguments)


if __name__ == "__main__":
    main()
