"""Dagster's home is bounded: old runs go, and nothing that is still the newest of its kind goes with them."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from crypto_features.graph.checks.remembered import last_evaluations
from crypto_features.host.event_log import BatchedSqliteStorage
from crypto_features.host.run_history import forget_runs, forget_ticks, of_location

MONTHS = dg.StaticPartitionsDefinition(["2024-01", "2024-02"])
NOW = timedelta(0)
"""Keep nothing that is not the newest."""
PRICES = dg.AssetKey("prices")
OURS = {"command": "crypto-features run"}
CHECK = dg.AssetCheckKey(PRICES, "whole")


@dg.asset(partitions_def=MONTHS)
def prices() -> None:
    print("computed")


@dg.asset_check(asset=prices)
def whole() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


@dg.job
def plain() -> None:
    dg.op(name="nothing")(lambda: None)()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """One with the storage that we ship."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    storage = {
        "module": BatchedSqliteStorage.__module__,
        "class": BatchedSqliteStorage.__name__,
        "config": {"base_dir": str(tmp_path)},
    }
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides={"storage": {"custom": storage}}) as one:
        yield one


def make(instance: dg.DagsterInstance, *months: str, check: bool = True, tags: Mapping[str, str] = OURS) -> str:
    """A run of the asset over some months, with its check or without it."""
    for month in months:
        chosen = [prices, whole] if check else [prices]
        result = dg.materialize(chosen, instance=instance, partition_key=month, raise_on_error=False, tags=tags)
    return result.run_id


def runs(instance: dg.DagsterInstance) -> list[str]:
    return [record.dagster_run.run_id for record in instance.get_run_records()]


def files_of(tmp_path: Path, run_id: str) -> list[str]:
    return [str(path) for path in tmp_path.rglob("*") if run_id in str(path)]


def test_a_run_goes_once_newer_ones_made_all_that_it_made(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first, second = make(instance, "2024-01"), make(instance, "2024-02")
    assert forget_runs(instance, NOW) == 0
    assert set(runs(instance)) == {first, second}
    third = make(instance, "2024-01")
    assert files_of(tmp_path, first)
    assert forget_runs(instance, NOW) == 1
    assert set(runs(instance)) == {second, third}
    assert files_of(tmp_path, first) == []
    by_month = instance.event_log_storage.get_latest_storage_id_by_partition(
        PRICES, dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    assert by_month.keys() == {"2024-01", "2024-02"}
    assert len(instance.fetch_materializations(PRICES, limit=10).records) == 2


def test_the_newest_result_of_a_check_stays_with_its_run(instance: dg.DagsterInstance) -> None:
    checked = make(instance, "2024-01")
    unchecked = [make(instance, "2024-01", check=False) for _ in range(3)]
    assert forget_runs(instance, NOW) == 2
    assert set(runs(instance)) == {checked, unchecked[-1]}
    assert not last_evaluations(instance, [CHECK])[CHECK].passed


def test_runs_of_other_code_locations_in_the_same_dagster_stay(instance: dg.DagsterInstance) -> None:
    ours, theirs = (
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(name), "__repository__") for name in ("ours", "theirs")
    )
    launched = [
        instance.create_run_for_job(
            plain, status=dg.DagsterRunStatus.SUCCESS, remote_job_origin=RemoteJobOrigin(origin, "plain")
        )
        for origin in (ours, theirs, ours)
    ]
    by_hand = make(instance, "2024-01", tags={}), make(instance, "2024-01", tags={"command": "somebody's"})
    tags = of_location(launched[0])
    assert tags == {".dagster/repository": "__repository__@ours"}
    assert forget_runs(instance, timedelta(days=1), tags) == forget_runs(instance, NOW) == 0
    assert forget_runs(instance, NOW, tags) == 2
    assert {*runs(instance)} == {launched[1].run_id, *by_hand}


def test_a_run_that_is_young_or_goes_on_stays(instance: dg.DagsterInstance) -> None:
    make(instance, "2024-01")
    make(instance, "2024-01")
    going = instance.create_run_for_job(plain, status=dg.DagsterRunStatus.STARTED).run_id
    assert forget_runs(instance, timedelta(days=1)) == 0
    assert forget_runs(instance, NOW) == 1
    assert going in runs(instance)


def test_the_home_stops_growing(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    sizes = []
    for _ in range(4):
        for _ in range(3):
            make(instance, "2024-01")
            plain.execute_in_process(instance=instance, tags=OURS)
        forget_runs(instance, NOW)
        assert len(runs(instance)) == 1
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
    assert max(sizes[2:]) <= max(sizes[:2])


def test_what_a_kept_run_and_a_sensor_printed_goes_by_its_age(instance: dg.DagsterInstance) -> None:
    kept = make(instance, "2024-01")
    storage = Path(instance.storage_directory())
    (storage / "repository/behind").mkdir(parents=True)
    (storage / "repository/theirs").mkdir()
    said, foreign, value = storage / "repository/behind/1.err", storage / "repository/theirs/1.err", storage / "prices"
    for file in (said, foreign, value):
        file.write_text("x")
    assert any(path.suffix == ".out" for path in (storage / kept).rglob("*"))
    for keep, stays in ((timedelta(days=1), True), (NOW, False)):
        forget_runs(instance, keep)
        forget_ticks(instance, keep, ["behind"])
        assert said.exists() is stays
        assert any((storage / kept).rglob("*.out")) is stays
    assert foreign.exists(), "of a sensor that is not ours"
    assert value.exists(), "what an asset stored is not output"


def test_one_that_was_killed_in_the_middle_goes_on(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(instance, "2024-01")
    make(instance, "2024-01")

    def killed(run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(instance.run_storage, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            forget_runs(instance, NOW)
    assert first in runs(instance)
    assert forget_runs(instance, NOW) == 1
    assert files_of(tmp_path, first) == []
