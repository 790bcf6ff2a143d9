"""Without extras the package is the lesson, and says how to get the rest."""

import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from book import ROOT

pytestmark = pytest.mark.slow

BUILD = "import setuptools.build_meta as s, sys; print(s.build_wheel(sys.argv[1]))"

# What the README offers, run to its end: a line learned with AutoClip, its run taken
# up again, its landscape, and how far its steps went.
LESSON = """
import sys
import torch
from torch import nn
from descent.checkpoint import load_checkpoint, save_checkpoint
from descent.clipping import AutoClip
from descent.dynamics import train_and_measure
from descent.landscape import axis, loss_grid
from descent.training import descend

torch.manual_seed(0)
x = torch.linspace(-1, 1, 20)[:, None]
y = 2 * x + 1

def line():
    model = nn.Linear(1, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.1), AutoClip(percentile=50)

def loss(model):
    return nn.functional.mse_loss(model(x), y)

model, optimizer, clip = line()
weights = list(model.parameters())
record = descend(weights, lambda: loss(model), optimizer, 500, clip=clip)
assert record["loss"][-1] < 1e-3 < record["loss"][0]
assert len(clip.history) == 500
save_checkpoint(sys.argv[1], model=model, clip=clip)

again, optimizer, resumed = line()
load_checkpoint(sys.argv[1], model=again, clip=resumed)
assert torch.equal(again.weight, model.weight)
assert (resumed.history == clip.history).all()

values = axis(-3, 3, 13)
squared = lambda theta: ((theta[0] * x + theta[1] - y) ** 2).mean()
grid = loss_grid(squared, values, values)
assert grid.minimum()[:2] == (2, 1)

fresh, optimizer, clip = line()
steps = train_and_measure(
    fresh, lambda batch: loss(fresh), lambda: x, x, optimizer, 3, clip=clip
)
assert (steps["step_size"] > 0).all()
"""


def needed(*names: str) -> Iterator[metadata.Distribution]:
    """Yield installed distributions and all that they need, without extras."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        yield distribution
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)


def expose(distribution: metadata.Distribution, folder: Path) -> None:
    """Link what a distribution has installed into another environment's folder."""
    for name in {path.parts[0] for path in distribution.files or []}:
        source = Path(str(distribution.locate_file(name)))
        if name not in {"..", "__pycache__"} and not (folder / name).exists():
            (folder / name).symlink_to(source, target_is_directory=source.is_dir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package, built from a copy: the builder leaves folders behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info")
    )
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-c", BUILD, target], cwd=copy, check=True, capture_output=True
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the package and what it depends on."""
    home = tmp_path_factory.mktemp("alone")
    venv.create(home, with_pip=False, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-index", "--no-compile", "--target", packages, wheel),
        ],
        check=True,
    )
    installed = metadata.Distribution.at(next(packages.glob("descent-*.dist-info")))
    requirements = [Requirement(text) for text in installed.requires or []]
    for distribution in needed(*(r.name for r in requirements if r.marker is None)):
        expose(distribution, packages)
    return home / "bin" / "python"


def test_the_lesson_runs_without_extras(python: Path, tmp_path: Path):
    done = subprocess.run(
        [python, "-I", "-c", LESSON, tmp_path / "run.pt"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "wing", ["descent.music", "descent.page", "descent.page.figures"]
)
def test_a_wing_says_which_extra_is_missing(python: Path, wing: str, tmp_path: Path):
    done = subprocess.run(
        [python, "-I", "-c", f"import {wing}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    last = done.stderr.strip().splitlines()[-1]
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]
    assert last.startswith(f"ImportError: {'.'.join(wing.split('.')[:2])} needs ")
    assert last.endswith(
        "which come with the extra 'book': pip install "
        f'"descent[book] @ git+{settings["url"]}@{settings["branch"]}"'
    )


def test_what_the_wings_ask_for_is_what_the_extra_brings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    extra = {
        canonicalize_name(Requirement(text).name)
        for text in project["optional-dependencies"]["book"]
    }
    providers = metadata.packages_distributions()
    for wing in ("music", "page"):
        text = (ROOT / "src/descent" / wing / "__init__.py").read_text("utf8")
        (asked,) = re.findall(r"^need\(__name__, (.*)\)$", text, re.MULTILINE)
        for module in re.findall(r'"(\w+)"', asked):
            assert {canonicalize_name(name) for name in providers[module]} & extra
