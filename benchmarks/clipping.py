"""What a clipping step costs, as ratios measured in one run.

The network is the size of a small separation network: two bidirectional LSTM
layers, 16 tensors, 2.37 million parameters. For each length of history five ways to
clip take turns, in random order, on the same gradients, so that whatever else the
machine does falls on all of them alike; the median of the times is reported, and
what is compared is always their ratio.

    pip install -r benchmarks/requirements.txt
    python benchmarks/clipping.py [--steps 301] [--record]
"""

import argparse
import json
import platform
import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import smartclip
import torch
from autoclip.torch import QuantileClip
from smartclip.backends.torch import apply as smartclip_apply
from torch import nn
from torch.nn.utils import clip_grad_norm_

from descent.clipping import AutoClip
from descent.seeds import set_seed

PERCENTILE = 10
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)

RECORD = Path(__file__).parents[1] / "src/descent/recorded/clipping_cost.json"

Step = Callable[[], object]


def network() -> nn.Module:
    """Return the network with gradients in place."""
    model = nn.LSTM(129, 256, num_layers=2, bidirectional=True)
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    return model


def ways(model: nn.Module, norms: np.ndarray) -> dict[str, Step]:
    """Return each way to clip as a step that is ready to run.

    Parameters
    ----------
    model : torch.nn.Module
        The network, with gradients.
    norms : numpy.ndarray
        The history that every way starts with, shape (steps,).
    """
    weights = list(model.parameters())

    ours = AutoClip(PERCENTILE)
    ours.load_state_dict({**ours.state_dict(), "norms": torch.from_numpy(norms)})

    history = norms.tolist()

    def definition() -> None:
        squares = [weight.grad.norm() ** 2 for weight in weights]
        history.append(torch.stack(squares).sum().sqrt().item())
        clip_grad_norm_(weights, np.percentile(history, PERCENTILE))

    quantile = QuantileClip(
        weights,
        PERCENTILE / 100,
        history_length=len(norms) + 10_000,
        global_threshold=True,
    )
    quantile.state["global_history"] = torch.from_numpy(norms).float()

    smart = smartclip.AutoClip(
        mode="percentile",
        percentile=PERCENTILE,
        history="window",
        window_size=len(norms) + 10_000,
    )
    for norm in norms.tolist():
        smart.observe(norm)

    threshold = float(np.percentile(norms, PERCENTILE))
    return {
        "AutoClip of this book": lambda: ours(weights),
        "fixed threshold": lambda: clip_grad_norm_(weights, threshold),
        "plain definition": definition,
        "autoclip (PyPI)": quantile.step,
        "smartclip (PyPI)": lambda: smartclip_apply(model, smart),
    }


def measure(length: int, steps: int) -> dict[str, float]:
    """Return the median time of a step in microseconds for each way."""
    set_seed(0)
    model = network()
    norm = float(torch.cat([w.grad.flatten() for w in model.parameters()]).norm())
    norms = norm * np.random.default_rng(0).lognormal(0, 0.5, length)
    pristine = [weight.grad.clone() for weight in model.parameters()]
    contestants = ways(model, norms)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    slow: set[str] = set()
    order = list(contestants.items())
    shuffle = random.Random(0).shuffle
    for turn in range(steps):
        # Who comes after a slow one finds the caches cold; each does at times.
        shuffle(order)
        for name, step in order:
            if name in slow and turn % 10:
                continue  # a tenth of the turns is enough for what takes long
            # Each step finds the same gradients, and clips them.
            torch._foreach_copy_([w.grad for w in model.parameters()], pristine)
            start = time.perf_counter()
            step()
            times[name].append((time.perf_counter() - start) * 1e6)
            if turn == 0 and times[name][0] > 50_000:
                slow.add(name)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=301)
    parser.add_argument(
        "--record", action="store_true", help="keep the result for the book"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    microseconds: dict[str, list[float]] = {}
    for length in LENGTHS:
        times = measure(length, arguments.steps)
        print(f"history of {length:,} norms")
        for name, taken in times.items():
            microseconds.setdefault(name, []).append(round(taken, 1))
            ratio = taken / times["fixed threshold"]
            print(f"  {name:22} {taken:10.0f} us   {ratio:8.2f} x fixed threshold")
        ratio = times["plain definition"] / times["AutoClip of this book"]
        print(f"  the plain definition costs {ratio:.1f} times as much as ours\n")
    if arguments.record:
        packages = ("torch", "numpy", "sortedcontainers", "autoclip", "smartclip")
        result = {
            "command": "python benchmarks/clipping.py --record "
            f"--steps {arguments.steps}",
            "machine": f"{platform.system()} {platform.machine()}, one thread",
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in packages},
            },
            "lengths": list(LENGTHS),
            "microseconds": microseconds,
        }
        RECORD.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
