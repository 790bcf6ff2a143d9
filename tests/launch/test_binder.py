"""The files in binder/ say exactly what is installed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from book import ROOT

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
        if line == "-e .":
            # pip takes this from where it is run: Binder runs it in the repository.
            project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
            for text in project["project"]["dependencies"]:
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
            assert line in {
                "-e .",
                "--extra-index-url https://download.pytorch.org/whl/cpu",
            }, f"{path.name}: {line}"


def test_the_server_opens_markdown_as_notebooks():
    names = {requirement.name for _, requirement in installed()}
    assert {"jupyterlab", "jupytext"} <= names


def test_runtime_names_a_supported_python():
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    version = re.fullmatch(r"python-(3\.\d+)", runtime)
    assert version, f"binder/runtime.txt must be like python-3.11, got {runtime!r}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{version[1]}.0")


def test_postbuild_is_a_program_that_stops_at_errors():
    path = ROOT / "binder" / "postBuild"
    assert path.stat().st_mode & 0o111 == 0o111
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text


def test_binder_is_the_only_place_that_configures_it():
    # Of these Binder would take one in the top folder if binder/ were gone.
    assert not (ROOT / "environment.yml").exists()
    assert not (ROOT / ".binder").exists()
