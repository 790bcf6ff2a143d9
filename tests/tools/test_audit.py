"""A fault stops the audit, a slow page, which may be a slow machine, does not.

Lighthouse is played by a few lines here: what is tested is what is made of its numbers.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from book import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs Node")

PLAYED = {
    "chrome-launcher": "export const launch = async () => ({port: 1, kill() {}});",
    "lighthouse": """
        import { appendFileSync } from "node:fs";
        const score = JSON.parse(process.env.SCORES);
        export default async () => {
            appendFileSync(process.env.TRIES, "x");
            const category = id => ({id, score: score[id] ?? 1, auditRefs: []});
            const names = ["performance", "accessibility", "best-practices", "seo"];
            return {lhr: {
                categories: Object.fromEntries(names.map(id => [id, category(id)])),
                audits: {
                    "largest-contentful-paint": {numericValue: score.lcp ?? 1000},
                    "cumulative-layout-shift": {numericValue: score.cls ?? 0},
                    "total-blocking-time": {numericValue: 0},
                    "total-byte-weight": {numericValue: score.bytes ?? 1000},
                },
            }};
        };
    """,
}


def audit(folder: Path, **scores: float) -> tuple[int, str, int]:
    """Return status, output and number of tries of an audit of one page."""
    for name in ("audit.js", "budget.json"):
        shutil.copy(ROOT / "tools" / "audit" / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    for name, text in PLAYED.items():
        module = folder / "node_modules" / name
        module.mkdir(parents=True)
        (module / "package.json").write_text('{"type": "module", "main": "index.js"}')
        (module / "index.js").write_text(text)
    tries = folder / "tries"
    done = subprocess.run(
        ["node", "audit.js", folder, "line"],
        cwd=folder,
        env={
            **os.environ,
            "SCORES": json.dumps(scores),
            "TRIES": str(tries),
            "GITHUB_ACTIONS": "true",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr, len(tries.read_text())


def test_a_page_within_the_budget_passes_at_once(tmp_path: Path):
    status, said, tries = audit(tmp_path)
    assert (status, tries) == (0, 1)
    assert "1 passed, 0 slow, 0 failed" in said
    assert "::warning" not in said


@pytest.mark.parametrize("slow", [{"performance": 0.98}, {"lcp": 2001}], ids=str)
def test_a_slow_page_is_tried_again_and_warned_of(
    tmp_path: Path, slow: dict[str, float]
):
    status, said, tries = audit(tmp_path, **slow)
    assert (status, tries) == (0, 3)
    assert "0 passed, 1 slow, 0 failed" in said
    assert f"::warning title=line::over budget: {next(iter(slow))}" in said


@pytest.mark.parametrize(
    "fault",
    [
        {"accessibility": 0.99},
        {"best-practices": 0.9},
        {"seo": 0.9},
        {"bytes": 201_000},
        {"cls": 0.1},
        {"performance": 0.5, "seo": 0.9},
    ],
    ids=str,
)
def test_a_fault_stops_it(tmp_path: Path, fault: dict[str, float]):
    status, said, _ = audit(tmp_path, **fault)
    assert status == 1
    assert "0 passed, 0 slow, 1 failed" in said
