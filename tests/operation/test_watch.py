"""What is wrong is seen from Dagster's records, told once, and over when a later run of any kind mends it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.automation.watch import failed_checks, failed_runs

UI = "http://ui"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as one:
        yield one


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Path]:
    """While this file exists, the asset `candles` fails."""
    path = tmp_path / "broken"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def run(instance: dg.DagsterInstance, broken: Path, *assets: str, retried: bool = False) -> None:
    @dg.asset
    def candles() -> None:
        if broken.exists():
            raise RuntimeError("no candles") from ConnectionError("the exchange is away")

    @dg.asset(key=["online_store", "signals"], deps=["candles"])
    def signals() -> None: ...

    definitions = dg.Definitions(assets=[candles, signals], executor=dg.in_process_executor)
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name.split("/")) for name in assets],
        raise_on_error=False,
        tags={"dagster/will_retry": "true"} if retried else {},
    )


def keys(instance: dg.DagsterInstance) -> list[str]:
    return [problem.key for problem in failed_runs(instance, UI)]


def test_the_step_that_failed_is_named_with_its_cause_and_the_run(instance: dg.DagsterInstance, broken: Path) -> None:
    run(instance, broken, "candles", "online_store/signals")
    (problem,) = failed_runs(instance, UI)
    (record,) = instance.get_run_records()
    assert (problem.key, problem.title) == ("run:candles", "Run failed: candles")
    assert problem.detail == ("ConnectionError: the exchange is away. What was published before stays as it was.")
    assert problem.url == f"{UI}/runs/{record.dagster_run.run_id}"
    assert "behind" in problem.action


def test_the_same_failure_in_runs_of_other_kinds_is_one_problem(instance: dg.DagsterInstance, broken: Path) -> None:
    for assets in (("candles", "online_store/signals"), ("candles",), ("candles", "online_store/signals")):
        run(instance, broken, *assets)
    assert keys(instance) == ["run:candles"]


def test_a_later_run_of_another_kind_ends_it(instance: dg.DagsterInstance, broken: Path) -> None:
    run(instance, broken, "candles", "online_store/signals")
    broken.unlink()
    run(instance, broken, "online_store/signals")
    assert keys(instance) == ["run:candles"]
    run(instance, broken, "candles")
    assert keys(instance) == []


def test_a_run_that_is_retried_by_itself_is_no_problem_yet(instance: dg.DagsterInstance, broken: Path) -> None:
    run(instance, broken, "candles", retried=True)
    assert keys(instance) == []


def test_a_check_is_a_problem_until_it_passes(instance: dg.DagsterInstance) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("candles"), "gaps")
    for passed in (False, True):
        metadata = {"what to do": dg.MetadataValue.text("fetch them again")}
        found = dg.AssetCheckEvaluation(key.asset_key, "gaps", passed, metadata, description="12 are missing.")
        instance.report_runless_asset_event(found)
        problems = list(failed_checks(instance, [key], UI))
        assert bool(problems) is not passed
        if problems:
            assert problems[0].title == "Check failed: gaps of candles"
            assert problems[0].detail.startswith("12 are missing.")
            assert problems[0].action == "fetch them again"
            assert problems[0].url == f"{UI}/assets/candles?view=checks"
