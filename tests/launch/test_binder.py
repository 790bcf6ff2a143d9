"""The branches that Binder and Colab open: what they install, and when they change."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from launching import PUBLISHED, prepare, published
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from book import ROOT, with_cells
from branches import leave

REQUIREMENTS = ROOT / "binder" / "requirements.txt"


def lines(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield (file, line) for a requirements file and all that it includes."""
    for line in path.read_text("utf8").splitlines():
        line = line.partition(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        yield path, line
        if line.startswith("-r "):
            included = (path.parent / line.removeprefix("-r ").strip()).resolve()
            assert included.exists(), f"{path.name}: {line}: there is no such file"
            yield from lines(included)


def installed() -> Iterator[tuple[str, Requirement]]:
    """Yield (where from, requirement) for all that a launch installs by name."""
    for path, line in lines(REQUIREMENTS):
        if line == ".[book]":
            # pip takes this from where it is run: Binder runs it in the branch.
            project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
            wanted = project["project"]
            for text in (
                wanted["dependencies"] + wanted["optional-dependencies"]["book"]
            ):
                yield "pyproject.toml", Requirement(text)
        elif not line.startswith("-"):
            yield path.name, Requirement(line)


def pins() -> dict[str, str]:
    """Return the version of every package that is pinned, by name."""
    found = {}
    for path, line in lines(REQUIREMENTS):
        if line.startswith("-c "):
            constraints = path.parent / line.removeprefix("-c ").strip()
            for _, pin in lines(constraints.resolve()):
                exact = re.fullmatch(r"([\w.-]+)==([\w.+!]+)( *;.*)?", pin)
                assert exact, f"constraints.txt: not a pin: {pin}"
                found[canonicalize_name(exact[1])] = exact[2]
    return found


def exact(requirement: Requirement) -> str | None:
    """Return the one version that a requirement allows, None if it allows more."""
    found = re.fullmatch(r"==([^*]+)", str(requirement.specifier))
    return found[1] if found else None


@pytest.mark.parametrize(
    ("where", "requirement"),
    [pytest.param(*found, id=f"{found[0]}: {found[1]}") for found in installed()],
)
def test_every_requirement_has_one_version(where: str, requirement: Requirement):
    pinned = pins().get(canonicalize_name(requirement.name))
    direct = {
        canonicalize_name(found.name): exact(found)
        for _, found in installed()
        if exact(found)
    }.get(canonicalize_name(requirement.name))
    assert pinned or direct, f"{where}: {requirement} is pinned nowhere"
    for version in filter(None, (pinned, direct)):
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{where}: {requirement} does not allow the pin {version}"
        )


def test_options_are_known_and_lead_somewhere():
    for path, line in lines(REQUIREMENTS):
        if line.startswith("-c "):
            assert (path.parent / line.removeprefix("-c ").strip()).exists(), line
        elif line.startswith("-") and not line.startswith("-r "):
            # PyPI's torch carries CUDA: a launch takes it from the CPU wheels' index.
            extra = "--extra-index-url https://download.pytorch.org/whl/cpu"
            assert line == extra, f"{path.name}: {line}"


def test_runtime_names_a_supported_python():
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    version = re.fullmatch(r"python-(3\.\d+)", runtime)
    assert version, f"binder/runtime.txt must be like python-3.11, got {runtime!r}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{version[1]}.0")


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_what_binder_runs_are_programs(name: str):
    path = ROOT / "binder" / name
    assert path.stat().st_mode & 0o111 == 0o111
    assert path.read_text().startswith("#!/usr/bin/env bash\n")


def test_idle_kernels_are_shut_down_as_the_text_says():
    path = ROOT / "binder" / "jupyter_server_config.json"
    config = json.loads(path.read_text("utf8"))["MappingKernelManager"]
    assert config["cull_connected"] is True
    assert 0 < config["cull_interval"] <= 300
    said = f"{config['cull_idle_timeout'] // 60} minutes"
    for page in ("book/about.md", "binder/README.md"):
        assert said in (ROOT / page).read_text("utf8"), page


def test_binder_is_the_only_place_that_configures_it():
    # Of these Binder would take one in the top folder if binder/ were gone.
    assert not (ROOT / "environment.yml").exists()
    assert not (ROOT / ".binder").exists()


# --- The branches ---------------------------------------------------------------------

ENVIRONMENT = PUBLISHED.with_name("environment")


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_one_branch_holds_notebooks_on_top_of_the_other():
    environment, everything = contents(ENVIRONMENT), contents(PUBLISHED)
    notebooks = {f"{name}.ipynb" for name in with_cells()}
    assert set(everything) == set(environment) | notebooks
    assert all(everything[path] == environment[path] for path in environment)
    assert {"LICENSE", "README.md", "binder/start", "pyproject.toml"} <= set(
        environment
    )
    assert (
        environment["src/descent/line.py"]
        == (ROOT / "src/descent/line.py").read_bytes()
    )
    assert not any("__pycache__" in path for path in everything)


def test_a_change_of_prose_leaves_what_the_image_is_made_from_alone(tmp_path: Path):
    written = tmp_path / "written"
    written.mkdir()
    before = {}
    for text in ("one", "other"):
        (written / "line.ipynb").write_text(text)
        leave(ROOT, tmp_path, written)
        assert (tmp_path / "notebooks" / "line.ipynb").read_text() == text
        before[text] = contents(tmp_path / "environment")
    assert before["one"] == before["other"] == contents(ENVIRONMENT)


@pytest.mark.parametrize("branch", ["environment", "notebooks"])
def test_repo2docker_recognizes_a_branch(branch: str, tmp_path: Path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "repo2docker", "--no-build", "--debug"),
            str(shutil.copytree(PUBLISHED.with_name(branch), tmp_path / "branch")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "python=3.11" in said or "Python 3.11" in said or "python-3.11" in said
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in said, said
    # What it installs lies in the branch, so that has to be there by then.
    assert said.index("COPY --chown") < said.index('-r "binder/requirements.txt"')
    assert "binder/postBuild" in said
    assert "binder/start" in said


def git(*words: str, cwd: Path) -> None:
    """Run git as nobody in particular."""
    who = ("-c", "user.name=book", "-c", "user.email=book@example.org")
    subprocess.run(["git", *who, *words], cwd=cwd, check=True, capture_output=True)


def test_a_start_brings_the_newest_notebooks(tmp_path: Path):
    origin, image, home = (tmp_path / name for name in ("origin", "image", "home"))
    home.mkdir()
    origin.mkdir()
    git("init", "--quiet", "--initial-branch", "notebooks", cwd=origin)
    (origin / "line.ipynb").write_bytes((PUBLISHED / "line.ipynb").read_bytes())
    (origin / "README.md").write_text("of the other branch")
    git("add", ".", cwd=origin)
    git("commit", "--quiet", "--message", "notebooks", cwd=origin)

    shutil.copytree(ENVIRONMENT, image)
    git("init", "--quiet", cwd=image)
    git("remote", "add", "origin", str(origin), cwd=image)
    prepare("start", image, home)
    assert (image / "line.ipynb").read_bytes() == (origin / "line.ipynb").read_bytes()
    assert (image / "README.md").read_bytes() == (
        ENVIRONMENT / "README.md"
    ).read_bytes()
    signatures = home / ".local/share/jupyter/nbsignatures.db"
    assert signatures.exists()

    # Nothing is lost, and the start goes on, where the origin is out of reach.
    shutil.rmtree(origin)
    prepare("start", image, home)
    assert (image / "line.ipynb").exists()


# --- Colab ----------------------------------------------------------------------------


# What Colab has of what the book's package needs, directly or not, in its image of
# 2026-08-19 (github.com/googlecolab/backend-info).
COLAB = {
    "python": "3.13.0",
    "ipykernel": "6.17.1",
    "ipython": "7.34.0",
    "matplotlib": "3.10.0",
    "music21": "9.9.2",
    "numpy": "2.1.3",
    "pillow": "11.3.0",
    "torch": "2.11.0",
    "traitlets": "5.7.1",
}

# Replaced on purpose: the chorales are read from it.
REPLACED = {"music21"}


def test_the_first_cell_leaves_what_colab_has_alone():
    """Follow the package's needs down, by what installed packages say they need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    to_visit = [
        Requirement(text)
        for text in project["dependencies"] + project["optional-dependencies"]["book"]
    ]
    seen: set[str] = set()
    met = 0
    while to_visit:
        requirement = to_visit.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name in COLAB and name not in REPLACED:
            met += 1
            assert requirement.specifier.contains(COLAB[name]), (
                f"{requirement} would replace Colab's {COLAB[name]}"
            )
            continue  # what it needs it has
        if name not in seen:
            seen.add(name)
            to_visit += map(Requirement, metadata.requires(name) or [])
    assert met >= 5


def test_colabs_python_is_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(COLAB["python"])


def test_the_first_cell_takes_the_package_from_the_branch_and_says_so():
    for name in with_cells():
        (cell,) = [c for c in published(name).cells if c.id == "install"]
        first = next(c for c in published(name).cells if c.cell_type == "code")
        assert first == cell
        assert '"descent[book] @ https://' in cell.source
        assert "/archive/environment.tar.gz" in cell.source
        # It says what it does, and shows how far it is.
        assert re.search(r"print\(.*MB", cell.source, flags=re.DOTALL)
        assert "--quiet" not in cell.source
        # Without CUDA where PyTorch is missing; where it is there it stays.
        assert "--extra-index-url https://download.pytorch.org/whl/cpu" in cell.source
        assert "--upgrade" not in cell.source
        ast.parse(re.sub(r"%pip .*", "pass", cell.source))
