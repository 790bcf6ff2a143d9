"""What clipping costs on a GPU, eager, compiled and captured, measured in one run.

A fixed threshold (PyTorch's `clip_grad_norm_`) and AutoClip, as it is and with
`capturable=True`, take turns in random order on the same gradients: of a small network
and of a large one, after short and long histories. (Compiled only those of the small
one, because compiling takes far longer than all the rest.) Every way finds the
gradients whole, as copying them back is part of it; what the copying takes by itself is
subtracted. In the end all clippers must have taken the percentile of the same norms.

    python benchmarks/capture.py [--turns 21] [--record]
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
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from descent.clipping import AutoClip
from descent.seeds import set_seed

PERCENTILE = 10
LENGTHS = (1_000, 1_000_000)
REPEATS = 20  # calls between two looks at the clock

RECORD = Path(__file__).parents[1] / "src/descent/recorded/capture_cost.json"

Call = Callable[[], object]


def networks() -> dict[str, nn.Module]:
    """Return networks of few and of many weights."""
    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
    return {
        "small": nn.LSTM(129, 256, num_layers=2, bidirectional=True),
        "large": nn.TransformerEncoder(layer, 12),
    }


def captured(call: Call) -> Call:
    """Return what replays a call as a CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        call()  # what is needed only once
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def clipper(norms: np.ndarray, *, capturable: bool) -> AutoClip:
    """Return a clipper with a history, on the device if it can be captured."""
    clip = AutoClip(PERCENTILE, capturable=capturable, capacity=len(norms) + 100_000)
    clip.load_state_dict({**clip.state_dict(), "norms": torch.from_numpy(norms)})
    if capturable:
        clip.prepare("cuda")
    return clip


def ways(
    weights: list[nn.Parameter], norms: np.ndarray, *, compiled: bool
) -> tuple[dict[str, Call], list[AutoClip]]:
    """Return each way as a call that is ready, and all clippers that were made."""
    pristine = [weight.grad.clone() for weight in weights]
    threshold = float(np.percentile(norms, PERCENTILE))
    clippers = []

    def whole() -> None:
        torch._foreach_copy_([weight.grad for weight in weights], pristine)

    def fixed() -> None:
        clip_grad_norm_(weights, threshold)

    def ours(capturable: bool) -> Call:
        clip = clipper(norms, capturable=capturable)
        clippers.append(clip)
        return lambda: clip(weights)

    def after(call: Call) -> Call:
        def both() -> None:
            whole()
            call()

        return both

    calls = {
        "copying": whole,
        "fixed threshold": after(fixed),
        "AutoClip": after(ours(False)),
        "AutoClip, capturable": after(ours(True)),
        "copying, captured": captured(whole),
        "fixed threshold, captured": captured(after(fixed)),
        "AutoClip, captured": captured(after(ours(True))),
    }
    if compiled:
        torch._dynamo.reset()
        calls |= {
            "fixed threshold, compiled": after(torch.compile(fixed)),
            "AutoClip, compiled": after(torch.compile(ours(True), fullgraph=True)),
        }
    return calls, clippers


def measure(
    model: nn.Module, length: int, turns: int, *, compiled: bool
) -> dict[str, float]:
    """Return the median time of a call in microseconds for each way."""
    set_seed(0)
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    weights = list(model.parameters())
    norm = float(nn.utils.get_total_norm([weight.grad for weight in weights]))
    norms = norm * np.random.default_rng(0).lognormal(0, 0.5, length)
    calls, clippers = ways(weights, norms, compiled=compiled)
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls.items())
    shuffle = random.Random(0).shuffle
    for _ in range(turns):
        shuffle(order)
        for name, call in order:
            call()
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(REPEATS):
                call()
            torch.cuda.synchronize()
            times[name].append((time.perf_counter() - start) / REPEATS * 1e6)
    for clip in clippers:  # every way took the percentile of the same norms
        count = len(clip.history) - length
        assert count > turns * REPEATS
        assert np.allclose(clip.history[length:], norm, rtol=1e-6)
        expected = [
            np.percentile(clip.history[: length + i], PERCENTILE) for i in (1, count)
        ]
        assert [clip.thresholds[length], clip.thresholds[-1]] == expected
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    without = {"captured": medians.pop("copying, captured")}
    copying = medians.pop("copying")
    return {
        name: taken - without.get(name.split(", ")[-1], copying)
        for name, taken in medians.items()
    }


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--record", action="store_true", help="keep the result")
    parser.add_argument("--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this needs a GPU")

    rows = []
    for name, model in networks().items():
        model.cuda()
        count = sum(weight.numel() for weight in model.parameters())
        tensors = len(list(model.parameters()))
        for length in LENGTHS:
            times = measure(model, length, arguments.turns, compiled=name == "small")
            print(f"{count:,} weights in {tensors} tensors, {length:,} norms")
            for way, taken in times.items():
                ratio = taken / times["fixed threshold"]
                print(f"  {way:26} {taken:8.0f} us {ratio:6.2f} x fixed threshold")
            rounded = {way: round(taken, 1) for way, taken in times.items()}
            rows.append(
                {
                    "network": name,
                    "weights": count,
                    "tensors": tensors,
                    "norms": length,
                    "microseconds": rounded,
                }
            )
    if arguments.record:
        result = {
            "command": f"python benchmarks/capture.py --record "
            f"--turns {arguments.turns}",
            "machine": torch.cuda.get_device_name(),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "numpy")},
            },
            "rows": rows,
        }
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
