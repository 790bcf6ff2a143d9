"""The figures and animations of the chapter this book grew from, made in two ways.

The plain way: a new figure for every frame (`gif.frame`, `gif.save`), and a double
loop over the grid. Our way: `descent.page.animation.animate` and
`descent.landscape.loss_grid`. Both call the same drawing code, in the same style
and at the same size, and save static figures in the same format; the runs that the
figures show are trained before the clock starts. Each part is made both ways, one
right after the other, so that whatever else the machine does meets both.

    python benchmarks/animation.py [--repeat N] [--json PATH] [--keep FOLDER]
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gif
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from descent.landscape import Landscape, axis, gradient_grid, loss_grid
from descent.line import LineData, draw_line, predict
from descent.loss import mean_absolute_error
from descent.page.animation import animate
from descent.page.figures import (
    BLUE,
    INK,
    ORANGE,
    RATES,
    new_figure,
    show_landscape,
    use_style,
)
from descent.seeds import set_seed
from descent.training import Record, descend

LEARNING_RATES = (1.0, 0.5, 0.1, 0.01, 0.001, 0.0001)
STEPS = 100
DPI = 150  # 8 inches wide: 1200 pixels
DURATION, HOLD = 60, 1500

Update = Callable[[int], None]


@dataclass(frozen=True)
class Study:
    """All that the chapter draws, before anything is drawn.

    Attributes
    ----------
    data : LineData
        100 noisy points on a line.
    inputs, outputs : numpy.ndarray
        100 random numbers and the untrained network's answers to them.
    start : torch.Tensor
        The untrained slope and intercept, shape (2,).
    runs : list of Record
        A descent for each of `LEARNING_RATES`, with theta at every step.
    """

    data: LineData
    inputs: np.ndarray
    outputs: np.ndarray
    start: Tensor
    runs: list[Record]

    def loss(self, theta: Tensor) -> Tensor:
        """Return the mean absolute error of a line."""
        return mean_absolute_error(predict(theta, self.data.x), self.data.y)


def make_study() -> Study:
    """Draw the data and run the six descents."""
    rng = set_seed(0)
    model = nn.Linear(1, 1)
    inputs = torch.randn(100, 1)
    data = draw_line(rng)
    start = torch.cat([model.weight.flatten(), model.bias]).detach()
    study = Study(data, inputs.numpy(), model(inputs).detach().numpy(), start, [])
    for lr in LEARNING_RATES:
        theta = start.clone().requires_grad_()
        optimizer = torch.optim.SGD([theta], lr=lr)
        loss = partial(study.loss, theta)
        study.runs.append(descend([theta], loss, optimizer, STEPS, keep_theta=True))
    return study


# The two ways to compute: by a loop, and all at once.


def plain_grid(study: Study, first: np.ndarray, second: np.ndarray) -> Landscape:
    """Compute the loss over a grid, one point at a time."""
    values = np.empty((len(second), len(first)))
    for i, b in enumerate(second):
        for j, m in enumerate(first):
            prediction = float(m) * study.data.x + float(b)
            values[i, j] = mean_absolute_error(prediction, study.data.y).item()
    return Landscape(first, second, values)


def our_grid(study: Study, first: np.ndarray, second: np.ndarray) -> Landscape:
    """Compute the loss over a grid at once."""
    return loss_grid(study.loss, first, second)


def plain_slopes(study: Study, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the gradient at every point, shape (points, 2), one at a time."""
    slopes = []
    for b in second:
        for m in first:
            theta = torch.tensor([m, b], dtype=torch.float32, requires_grad=True)
            study.loss(theta).backward()
            slopes.append(theta.grad.numpy())
    return np.array(slopes)


def our_slopes(study: Study, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the gradient at every point, shape (points, 2), at once."""
    field = gradient_grid(study.loss, first, second)
    return np.stack([field.d_first.ravel(), field.d_second.ravel()], axis=-1)


# The figures, the same code for both ways.


def untrained(study: Study, ours: bool) -> Figure:
    """Draw the untrained network's answers to random inputs."""
    figure, (ax,) = new_figure()
    ax.plot(study.inputs, study.outputs, "o")
    ax.set(xlabel="input x", ylabel="prediction")
    return figure


def points(study: Study, ours: bool) -> Figure:
    """Draw the training data."""
    figure, (ax,) = new_figure()
    show_data(ax, study)
    return figure


def points_and_untrained(study: Study, ours: bool) -> Figure:
    """Draw the training data and the untrained line."""
    figure, (ax,) = new_figure()
    show_data(ax, study)
    show_line(ax, study, study.start.numpy())
    ax.legend()
    return figure


def loss_per_point(study: Study, ours: bool) -> Figure:
    """Draw the loss of every point."""
    figure, (ax,) = new_figure()
    residual = predict(study.start, study.data.x) - study.data.y
    ax.plot(study.data.x, residual.abs(), "o", color=ORANGE)
    ax.set(xlabel="x", ylabel="loss of the point")
    return figure


def landscape(study: Study, ours: bool) -> Figure:
    """Compute the loss at 100 x 100 points and draw it."""
    grid = (our_grid if ours else plain_grid)(study, axis(-2, 2, 100), axis(-2, 2, 100))
    figure, (ax,) = new_figure()
    show_landscape(ax, grid)
    m, b, _ = grid.minimum()
    ax.plot(m, b, "o", color=ORANGE)
    return figure


def learned(study: Study, ours: bool) -> Figure:
    """Draw the training data and the line of the best point of the grid."""
    figure, (ax,) = new_figure()
    show_data(ax, study)
    show_line(ax, study, np.array([1.76, 0.38]))
    ax.legend()
    return figure


def slices(study: Study, ours: bool) -> Figure:
    """Draw the loss as m alone and as b alone changes."""
    grid = our_grid if ours else plain_grid
    values = axis(-2, 2, 100)
    figure, (left, right) = new_figure(1, 2, share_y=True)
    left.plot(values, grid(study, values, np.array([0.38])).loss[0])
    left.set(xlabel="slope m", ylabel="mean loss")
    right.plot(values, grid(study, np.array([1.76]), values).loss[:, 0])
    right.set(xlabel="intercept b")
    return figure


def sweeps(study: Study, ours: bool) -> Figure:
    """Draw the gradient as m alone and as b alone changes."""
    slopes = our_slopes if ours else plain_slopes
    values = axis(-2, 2, 100)
    figure, (left, right) = new_figure(1, 2)
    left.plot(values, slopes(study, values, np.array([0.38]))[:, 0])
    left.set(xlabel="slope m", ylabel="gradient along m")
    right.plot(values, slopes(study, np.array([1.76]), values)[:, 1])
    right.set(xlabel="intercept b", ylabel="gradient along b")
    return figure


def health(study: Study, ours: bool) -> Figure:
    """Draw gradient norm and loss of the six runs."""
    figure, (left, right) = new_figure(1, 2)
    for lr, run, color in zip(LEARNING_RATES, study.runs, RATES, strict=True):
        left.plot(run["grad_norm"], color=color, label=f"{lr:g}")
        right.plot(run["loss"], color=color)
    left.set(xlabel="step", ylabel="gradient norm")
    left.legend(title="learning rate")
    right.set(xlabel="step", ylabel="mean loss", yscale="log")
    return figure


def one_panel(study: Study, animated: bool) -> tuple[Figure, Update]:
    """Draw the data and a line that learns."""
    figure, (ax,) = new_figure(dpi=DPI)
    run = study.runs[LEARNING_RATES.index(0.01)]
    show_data(ax, study)
    line = show_line(ax, study, run["theta"][0], animated=animated)
    step = ax.text(
        0.98, 0.05, "", transform=ax.transAxes, ha="right", animated=animated
    )
    ax.legend(loc="upper left")
    thetas = run["theta"]
    x = study.data.x.numpy()

    def update(frame: int) -> None:
        m, b = thetas[frame]
        line.set_ydata(m * x + b)
        step.set_text(f"step {frame}")

    return figure, update


def six_panels(study: Study, animated: bool) -> tuple[Figure, Update]:
    """Draw the data and a line that learns, for six learning rates."""
    figure, axes = new_figure(2, 3, height=5.0, dpi=DPI, share_x=True, share_y=True)
    lines = []
    for ax, lr, run in zip(axes, LEARNING_RATES, study.runs, strict=True):
        show_data(ax, study, labels=False)
        lines.append(
            show_line(ax, study, run["theta"][0], animated=animated, antialiased=False)
        )
        ax.set_title(f"learning rate {lr:g}")
    figure.supxlabel("x", color=INK)
    figure.supylabel("y", color=INK)
    step = axes[0].text(0.05, 0.88, "", transform=axes[0].transAxes, animated=animated)
    thetas = [run["theta"] for run in study.runs]
    x = study.data.x.numpy()

    def update(frame: int) -> None:
        for line, theta in zip(lines, thetas, strict=True):
            m, b = theta[frame]
            line.set_ydata(m * x + b)
        step.set_text(f"step {frame}")

    return figure, update


def show_data(ax: Axes, study: Study, *, labels: bool = True) -> None:
    """Draw the data into axes that have room for every line."""
    ax.scatter(study.data.x, study.data.y, s=8, color=BLUE, label="data")
    ax.set(xlim=(-10, 10), ylim=(-20, 20))
    if labels:
        ax.set(xlabel="x", ylabel="y")


def show_line(ax: Axes, study: Study, theta: np.ndarray, **options: Any) -> Any:
    """Draw the line of two parameters."""
    x = study.data.x.numpy()
    return ax.plot(
        x, theta[0] * x + theta[1], color=ORANGE, label="prediction", **options
    )[0]


# The two ways to save.


def save_figure(
    draw: Callable[[Study, bool], Figure], study: Study, path: Path, ours: bool
) -> int:
    """Make a static figure; return its size in bytes."""
    figure = draw(study, ours)
    path = path.with_suffix(".svg")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path.stat().st_size


def save_animation(
    draw: Callable[[Study, bool], tuple[Figure, Update]],
    study: Study,
    path: Path,
    ours: bool,
) -> int:
    """Make an animation of 101 frames; return its size in bytes."""
    path = path.with_suffix(".gif")
    if ours:
        animation = animate(*draw(study, True), STEPS + 1, duration=DURATION, hold=HOLD)
        path.write_bytes(animation.data)
    else:

        @gif.frame
        def frame(step: int) -> None:
            _, update = draw(study, False)
            update(step)

        durations = [DURATION] * (STEPS + 1)
        durations[0], durations[-1] = HOLD // 20 * 10, HOLD
        frames = [frame(step) for step in range(STEPS + 1)]
        gif.save(frames, str(path), duration=durations)
    return path.stat().st_size


STATIC = (
    untrained,
    points,
    points_and_untrained,
    loss_per_point,
    landscape,
    learned,
    slices,
    sweeps,
    health,
)
MOVING = (one_panel, six_panels)
Part = tuple[str, Callable[[Path, bool], int]]


def parts(study: Study) -> list[Part]:
    """Return the name of every part, and what makes it."""
    made: list[Part] = [
        (draw.__name__, partial(save_figure, draw, study)) for draw in STATIC
    ]
    made += [(draw.__name__, partial(save_animation, draw, study)) for draw in MOVING]
    return made


def measure(made: Sequence[Part], folder: Path) -> dict[str, dict[str, Any]]:
    """Make every part both ways; return seconds and bytes."""
    found = {}
    for name, make in made:
        part = {}
        for way, ours in (("plain", False), ("ours", True)):
            wall, processor = time.perf_counter(), time.process_time()
            size = make(folder / f"{name}-{way}", ours)
            part[way] = {
                "seconds": time.perf_counter() - wall,
                "cpu_seconds": time.process_time() - processor,
                "bytes": size,
            }
        found[name] = part
    return found


def total(run: dict[str, dict[str, Any]], way: str, what: str) -> float:
    """Return the sum over all parts."""
    return sum(part[way][what] for part in run.values())


def report(run: dict[str, dict[str, Any]]) -> None:
    """Print one run as a table."""
    print(
        f"{'part':<22}{'plain s':>9}{'ours s':>9}{'ratio':>8}"
        f"{'plain kB':>10}{'ours kB':>9}"
    )
    rows = [*run.items()]
    for name, part in rows:
        plain, ours = part["plain"], part["ours"]
        print(
            f"{name:<22}{plain['seconds']:>9.2f}{ours['seconds']:>9.2f}"
            f"{plain['seconds'] / ours['seconds']:>8.1f}"
            f"{plain['bytes'] / 1e3:>10.0f}{ours['bytes'] / 1e3:>9.0f}"
        )
    for what, label in (("seconds", "all"), ("cpu_seconds", "all, processor time")):
        plain, ours = total(run, "plain", what), total(run, "ours", what)
        print(f"{label:<22}{plain:>9.2f}{ours:>9.2f}{plain / ours:>8.1f}")


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat must be at least 1")

    mpl.use("Agg")
    use_style()
    made = parts(make_study())
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # Fonts, caches and imports are made ready for both before the clock starts.
        made[0][1](folder / "warm-up", True)
        for _ in range(arguments.repeat):
            runs.append(measure(made, folder))
            report(runs[-1])
    ratios = [total(r, "plain", "seconds") / total(r, "ours", "seconds") for r in runs]
    if len(ratios) > 1:
        print(
            f"ratio over {len(ratios)} runs: median {statistics.median(ratios):.1f}, "
            f"from {min(ratios):.1f} to {max(ratios):.1f}"
        )
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": machine(), "ratios": ratios, "runs": runs}, indent=1)
        )


def machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    packages = ("matplotlib", "pillow", "gif", "numpy", "torch")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


if __name__ == "__main__":
    main()
