"""Many trainings as one against as many programs, as a ratio measured in one run.

Both ways train the book's network on the same minibatches, with AutoClip: `--runs` of
them as one ensemble, and one in each of `--processes` programs that run at the same
time, as the sweep does it. They take turns; what counts is how many steps of one
training each does in a second, and the ratio of the two. The ensemble has as many
threads as there are programs, so that both have the same cores.

    python benchmarks/ensemble.py
    python benchmarks/ensemble.py --device cuda --wide --processes 8 --runs 48
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from torch import Tensor

from descent.clipping import AutoClip
from descent.music.chorales import load_chorales
from descent.music.separation import MaskNetwork, draw_excerpts, snr_loss

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from ensemble import Ensemble, Run

WIDE = {"hidden": 300, "layers": 2}


def minibatch(wide: bool) -> Tensor:
    """Return sources, shape (excerpt, 2, samples)."""
    batch, frames = (25, 400) if wide else (4, 100)
    sources = load_chorales().training.sources
    return draw_excerpts(sources, batch, frames, torch.Generator().manual_seed(0), 0.2)


def alone(device: str, wide: bool, turns: int, steps: int, barrier: Barrier) -> None:
    """Train one network, a few steps at each turn."""
    torch.set_num_threads(1)
    sources = minibatch(wide).to(device)
    network = MaskNetwork(**(WIDE if wide else {})).to(device)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    clip = AutoClip(10)
    for _ in range(turns + 1):
        barrier.wait()  # all begin together
        for _ in range(steps):
            loss = snr_loss(network(sources.sum(dim=1)), sources)
            adam.zero_grad()
            loss.backward()
            clip(network.parameters())  # waits for the device
            adam.step()
        barrier.wait()


def measure(arguments: argparse.Namespace) -> None:
    """Take turns, and print the ratios."""
    device, wide, turns = arguments.device, arguments.wide, arguments.turns
    processes, runs = arguments.processes, arguments.runs
    torch.set_num_threads(processes)
    few, many = arguments.steps, max(arguments.steps * processes // runs, 3)
    sources = minibatch(wide).to(device)[None]
    ensemble = Ensemble(
        [Run(0, percentile=10)] * runs,
        "SNR",
        (turns + 1) * many,
        device=device,
        **(WIDE if wide else {}),
    )
    if device == "cuda":
        ensemble.capture(sources)

    def together() -> None:
        for _ in range(many):
            ensemble.step(sources)
        ensemble.thresholds.sum().item()  # waits for the device

    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    programs = [
        context.Process(target=alone, args=(device, wide, turns, few, barrier))
        for _ in range(processes)
    ]
    for program in programs:
        program.start()
    rates: dict[str, list[float]] = {"apart": [], "as one": []}
    for turn in range(turns + 1):
        barrier.wait()
        start = time.perf_counter()
        barrier.wait()
        middle = time.perf_counter()
        together()
        end = time.perf_counter()
        if turn:  # the first warms up
            rates["apart"].append(processes * few / (middle - start))
            rates["as one"].append(runs * many / (end - middle))
    for program in programs:
        program.join()
    for name, values in rates.items():
        print(
            f"{name:>7}: {statistics.median(values):8.1f} steps of a training a second"
        )
    ratios = [b / a for a, b in zip(rates["apart"], rates["as one"], strict=True)]
    print(
        f"  ratio: {statistics.median(ratios):8.2f}, "
        f"from {min(ratios):.2f} to {max(ratios):.2f} in {turns} turns"
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--wide", action="store_true", help="the paper's width")
    parser.add_argument("--processes", type=int, default=1, help="programs at a time")
    parser.add_argument("--runs", type=int, default=8, help="trainings as one")
    parser.add_argument("--steps", type=int, default=24, help="of a program, a turn")
    parser.add_argument("--turns", type=int, default=7)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
