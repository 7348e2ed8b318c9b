"""What is wrong is seen from Dagster's records, reported once, and over when a later run of any kind fixes it."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import serializable_error_info_from_exc_info

from crypto_features.automation.alerts import Problem
from crypto_features.automation.watch import being_made, failed_checks, failed_runs, failed_ticks, little_room
from crypto_features.errors import InputError
from crypto_features.graph.lake import LakeResource
from crypto_features.lake.room import DiskReserveError
from crypto_features.settings import Settings

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


@pytest.fixture
def ticks(instance: dg.DagsterInstance) -> Callable[..., list[Problem]]:
    """What is told after a schedule or a sensor of that name had ticks with those errors, none for one that passed."""

    def after(kind: InstigatorType, name: str, *errors: InputError | None) -> list[Problem]:
        location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="m"))
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "r"), name)
        data = SensorInstigatorData() if kind is InstigatorType.SENSOR else ScheduleInstigatorData("* * * * *")
        state = InstigatorState(origin, kind, InstigatorStatus.DECLARED_IN_CODE, data)
        instance.add_instigator_state(state)
        for second, error in enumerate(errors):
            status = TickStatus.FAILURE if error else TickStatus.SKIPPED
            told = None
            if error is not None:
                try:
                    raise error
                except InputError:
                    told = serializable_error_info_from_exc_info(sys.exc_info())
            tick = TickData(state.instigator_origin_id, name, kind, status, 1000.0 + second, error=told)
            instance.create_tick(tick._replace(selector_id=state.selector_id))
        return list(failed_ticks(instance, UI))

    return after


def test_a_schedule_whose_last_tick_failed_is_a_problem_with_its_error(ticks: Callable[..., list[Problem]]) -> None:
    (problem,) = ticks(InstigatorType.SCHEDULE, "candles_after_each_close", None, InputError("no folder /candles."))
    assert (problem.key, problem.title) == (
        "tick:candles_after_each_close",
        "The schedule candles_after_each_close fails",
    )
    assert problem.detail == "no folder /candles. It asks for no run meanwhile."


def test_a_sensor_that_failed_once_may_have_met_a_restart(ticks: Callable[..., list[Problem]]) -> None:
    assert ticks(InstigatorType.SENSOR, "behind", None, InputError("x")) == []


def test_a_sensor_that_failed_twice_in_a_row_is_a_problem(ticks: Callable[..., list[Problem]]) -> None:
    (problem,) = ticks(InstigatorType.SENSOR, "behind", InputError("x"), InputError("y"))
    assert problem.key == "tick:behind"


def test_a_tick_that_passes_ends_it(ticks: Callable[..., list[Problem]]) -> None:
    assert ticks(InstigatorType.SCHEDULE, "candles_after_each_close", InputError("x"), None) == []


def test_a_table_whose_run_has_just_begun_is_being_made(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def candles() -> None:
        assert being_made(instance, "candles")
        assert not being_made(instance, "signals")

    @dg.asset
    def signals() -> None: ...

    job = dg.Definitions(assets=[candles, signals]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, asset_selection=[candles.key])
    assert not being_made(instance, "candles")


def test_a_failed_check_stays_failed_while_the_next_run_has_not_evaluated_it(instance: dg.DagsterInstance) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("candles"), "gaps")
    instance.report_runless_asset_event(dg.AssetCheckEvaluation(key.asset_key, "gaps", passed=False, metadata={}))

    @dg.asset_check(asset="candles", name="gaps")
    def gaps() -> dg.AssetCheckResult:
        (problem,) = failed_checks(instance, [key], UI)
        assert problem.key == "check:candles:gaps"
        raise RuntimeError("killed before it was evaluated")

    job = dg.Definitions(asset_checks=[gaps], jobs=[dg.define_asset_job("only", dg.AssetSelection.all_asset_checks())])
    job.resolve_job_def("only").execute_in_process(instance=instance, raise_on_error=False)
    assert [problem.key for problem in failed_checks(instance, [key], UI)] == ["check:candles:gaps"]


def test_a_check_is_a_problem_until_it_passes(instance: dg.DagsterInstance) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("candles"), "gaps")
    for passed in (False, True):
        metadata = {"what to do": dg.MetadataValue.text("fetch them again")}
        text = "12 are missing. What to do: fetch them again"
        found = dg.AssetCheckEvaluation(key.asset_key, "gaps", passed, metadata, description=text)
        instance.report_runless_asset_event(found)
        problems = list(failed_checks(instance, [key], UI))
        assert bool(problems) is not passed
        if problems:
            assert problems[0].title == "Check failed: gaps of candles"
            assert problems[0].detail.startswith("12 are missing. Nothing downstream of it")
            assert problems[0].action == "fetch them again"
            assert problems[0].url == f"{UI}/assets/candles?view=checks"


GB = 10**9


def left(monkeypatch: pytest.MonkeyPatch, folder: Path, free: int) -> None:
    """A disk with so many bytes left, of which one gigabyte must stay."""
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(folder / "not there yet"))
    monkeypatch.setenv("CRYPTO_FEATURES_DISK_RESERVE", str(GB))
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))


def test_a_disk_is_a_problem_long_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left(monkeypatch, tmp_path, 4 * GB)
    assert not list(little_room(Settings.load()))
    left(monkeypatch, tmp_path, 4 * GB - 10**8)
    (problem,) = little_room(Settings.load())
    assert "3.9 GB are left" in problem.detail
    assert "below 1.0 GB no run begins. Runs go on until then" in problem.detail
    left(monkeypatch, tmp_path, GB - 1)
    assert "No run begins" in next(little_room(Settings.load())).detail


def test_no_run_begins_that_could_fill_the_disk_and_sensors_look_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    computed = []

    @dg.asset
    def table(lake: LakeResource) -> None:
        computed.append(lake.root)

    @dg.sensor(asset_selection="*")
    def look(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason:
        return dg.SkipReason(lake.root)

    lake = LakeResource(root=str(tmp_path), interval_minutes=60)
    left(monkeypatch, tmp_path, GB - 1)
    with pytest.raises(dg.DagsterError) as caught:
        dg.materialize([table], instance=instance, resources={"lake": lake})
    assert isinstance(caught.value.__cause__, DiskReserveError)
    assert "1,000 MB left, and 1.0 GB must stay free" in str(caught.value.__cause__)
    assert not computed
    with dg.build_sensor_context(instance, resources={"lake": lake}) as context:
        assert look(context) == dg.SkipReason(str(tmp_path))
    left(monkeypatch, tmp_path, GB)
    assert dg.materialize([table], instance=instance, resources={"lake": lake}).success
    assert computed == [str(tmp_path)]


def test_the_runbook_has_a_row_for_each_kind_of_alert() -> None:
    """Each title in the code begins, or ends, as a row of the table in docs/backup.md does."""
    root = Path(__file__).parents[2]
    titles = re.findall(
        r'title=f?"([^"{]*)|Problem\(f"[^"]*", f"([^"{]*)', (root / "crypto_features/automation/watch.py").read_text()
    )
    begun = {one or other for one, other in titles}
    assert begun == {"Run failed: ", "The ", "Check failed: ", "Unreadable: ", "Stale: ", "The disk is almost full", ""}
    rows = re.findall(r"^\| (`.*?) \|", (root / "docs/backup.md").read_text(), re.MULTILINE)
    assert [one for one in begun if not any(one in row for row in rows)] == []
