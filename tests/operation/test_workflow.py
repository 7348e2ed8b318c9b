"""The shell steps of the GitHub workflow that need no GitHub, run as GitHub runs them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types.

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/graph.yml").read_text())
JOB = WORKFLOW["jobs"]["graph"]
STEPS = {step["name"]: step for step in JOB["steps"] if "name" in step}


def run(step: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """GitHub runs `shell: bash` as `bash --noprofile --norc -eo pipefail {0}`."""
    assert WORKFLOW["defaults"]["run"]["shell"] == "bash"
    script = folder / "step.sh"
    script.write_text(STEPS[step]["run"])
    given = {"RUNNER_TEMP": str(folder), "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "HOME": str(folder)}
    return subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=ROOT,
        env={**os.environ, **JOB["env"], **given, "CRYPTO_FEATURES_DATA": str(folder / "data"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_steps_of_a_pull_request_validate_materialize_and_plan(tmp_path: Path) -> None:
    for step in ("Validate the definitions", "Materialize one partition", "Plan what the change recomputes"):
        done = run(step, tmp_path, CRYPTO_FEATURES_SYMBOLS="BTC,ETH")
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "data/price_features").iterdir()) == ["2024-01.parquet"]
    plan = (tmp_path / "plan.md").read_text()
    assert plan == (tmp_path / "summary.md").read_text()
    assert plan.startswith("### What this change recomputes\n```\n")
    assert "trading_signals" in plan
    assert "price_features" not in plan


def test_a_plan_that_fails_fails_the_job(tmp_path: Path) -> None:
    assert run("Plan what the change recomputes", tmp_path, CRYPTO_FEATURES_INTERVAL="7h").returncode != 0
