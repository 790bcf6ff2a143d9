"""What the workflows promise: actions that run, and all published or nothing."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from book import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(path.name for path in FOLDER.glob("*.yml"))
# The first major of each that runs on Node 24, the only Node that runners have.
FIRST_ON_NODE_24 = {
    "actions/checkout": 5,
    "actions/setup-python": 6,
    "actions/upload-artifact": 6,
    "actions/download-artifact": 7,
    "actions/upload-pages-artifact": 5,
    "actions/deploy-pages": 5,
}


def workflow(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text("utf8"))


def used() -> Iterator[tuple[str, str, int]]:
    """Yield (action, commit, major) for every use of an action."""
    for name in WORKFLOWS:
        text = (FOLDER / name).read_text("utf8")
        for line in re.findall(r"uses: (.*)", text):
            pinned = re.fullmatch(r"([\w/-]+)@([0-9a-f]{40}) # v(\d+)\.\d+\.\d+", line)
            assert pinned, f"{name}: {line} is not pinned to a commit and its version"
            yield pinned[1], pinned[2], int(pinned[3])


def test_every_action_is_pinned_once_and_of_a_major_that_runs():
    commits: dict[str, str] = {}
    for action, commit, major in used():
        assert major >= FIRST_ON_NODE_24[action], action
        assert commits.setdefault(action, commit) == commit, action
    assert set(commits) == set(FIRST_ON_NODE_24)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_may_read_and_no_more_unless_it_publishes(name: str):
    book = workflow(name)
    assert book["permissions"] == {"contents": "read"}
    for job, settings in book["jobs"].items():
        if job == "publish":
            rights = {"contents": "write", "pages": "write", "id-token": "write"}
            assert settings["permissions"] == rights
            assert "pull_request" in settings["if"]
            assert "refs/heads/main" in settings["if"]
        else:
            assert "permissions" not in settings
        assert settings["timeout-minutes"] <= 60


def test_the_oldest_pytorch_that_is_allowed_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    (needed,) = (n for n in project["dependencies"] if n.startswith("torch"))
    oldest = workflow("book.yml")["jobs"]["oldest"]
    (install,) = (s["run"] for s in oldest["steps"] if s.get("name") == "Install")
    assert f"torch=={needed.removeprefix('torch>=')}.0 " in install


def place(steps: list[dict[str, Any]], text: str) -> int:
    """Return the number of the one step that runs or uses something."""
    (number,) = [
        number
        for number, step in enumerate(steps)
        if re.search(text, step.get("run", "") + step.get("uses", ""), re.MULTILINE)
    ]
    return number


def test_site_and_notebooks_are_published_together_or_not_at_all():
    jobs = workflow("book.yml")["jobs"]
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish"}
    steps = jobs["publish"]["steps"]
    order = [
        place(steps, "download-artifact@"),
        place(steps, "push --quiet --force --dry-run origin"),
        place(steps, "deploy-pages@"),
        place(steps, "push --quiet --force origin"),
    ]
    assert order == sorted(order)
    # Each step is taken only when those before it succeeded.
    for step in steps:
        assert not {"if", "continue-on-error"} & set(step), step


def test_what_is_published_was_tested_audited_and_printed():
    steps = workflow("book.yml")["jobs"]["test"]["steps"]
    site = place(steps, "upload-pages-artifact@")
    assert steps[site]["with"]["path"] == "book/_build/html"
    for before in (r"\.ci/run", "make audit", "make pdf"):
        assert place(steps, before) < site
        assert "continue-on-error" not in steps[place(steps, before)]
    (branches,) = [s for s in steps if s.get("with", {}).get("name") == "branches"]
    # Each branch is a whole folder, and a build that left none is a failure.
    assert branches["with"]["path"].split() == [
        "book/_build/environment",
        "book/_build/notebooks",
    ]
    assert branches["with"]["if-no-files-found"] == "error"


def test_the_branch_of_the_image_changes_with_its_content_only(tmp_path: Path):
    steps = workflow("book.yml")["jobs"]["publish"]["steps"]
    commits = {}
    for text in ("one", "other"):
        folder = tmp_path / text
        for branch in ("environment", "notebooks"):
            (folder / branch).mkdir(parents=True)
            (folder / branch / "README.md").write_text("of both")
            subprocess.run(
                ["git", "init", "--quiet", "--bare", str(folder / "origin.git")],
                check=True,
            )
        (folder / "notebooks" / "line.ipynb").write_text(text)
        for step in steps:
            if "push" in step.get("run", ""):
                script = re.sub(r'"https://.*"', '"$ORIGIN"', step["run"])
                subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", script],
                    cwd=folder,
                    env={
                        "PATH": os.environ["PATH"],
                        "HOME": str(tmp_path),
                        "ORIGIN": str(folder / "origin.git"),
                        **step.get("env", {}),
                    },
                    check=True,
                )
        said = subprocess.run(
            ["git", "for-each-ref", "--format=%(refname:short) %(objectname)"],
            cwd=folder / "origin.git",
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        commits[text] = dict(line.split() for line in said.splitlines())
        assert set(commits[text]) == {"environment", "notebooks"}
    one, other = commits["one"], commits["other"]
    assert one["environment"] == other["environment"]
    assert one["notebooks"] != other["notebooks"]


def test_every_python_that_is_allowed_is_tested():
    jobs = workflow("book.yml")["jobs"]
    tested = [*jobs["unit"]["strategy"]["matrix"]["python"]]
    for step in jobs["test"]["steps"]:
        tested += (
            [step["with"]["python-version"]] if "setup-python" in str(step) else []
        )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    allowed = SpecifierSet(project["requires-python"])
    versions = [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in allowed]
    assert sorted(tested) == versions


def test_links_to_other_sites_are_asked_for_every_week():
    links = workflow("links.yml")
    # YAML takes `on` for a truth.
    assert re.fullmatch(r"\d+ \d+ \* \* \d", links[True]["schedule"][0]["cron"])
    assert place(links["jobs"]["links"]["steps"], "^make links$")


def test_whatever_pins_versions_is_renewed():
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf8"))
    watched: dict[str, set[str]] = {}
    for update in updates["updates"]:
        assert update["schedule"]["interval"] == "monthly"
        folders = update.get("directories") or [update["directory"]]
        watched[update["package-ecosystem"]] = {folder.strip("/") for folder in folders}
    files = subprocess.run(
        ["git", "ls-files", "*.txt"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split() or [str(p.relative_to(ROOT)) for p in ROOT.glob("*/*.txt")]
    pinning = {
        path.rpartition("/")[0]
        for path in files
        if not path.startswith(("book/", "src/"))
        and re.search(r"^[\w.-]+==", (ROOT / path).read_text("utf8"), re.MULTILINE)
    }
    assert pinning <= watched["pip"]
    assert "tools/audit" in watched["npm"]
    assert "github-actions" in watched


def test_hooks_before_a_commit_use_the_versions_of_the_tests():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf8"))
    pins = (ROOT / "tests" / "requirements.txt").read_text("utf8").split("\n")
    for hook in hooks["repos"][0]["hooks"]:
        (needed,) = hook["additional_dependencies"]
        assert "==" in needed
        if not needed.startswith("pre-commit-hooks=="):
            assert needed in pins
