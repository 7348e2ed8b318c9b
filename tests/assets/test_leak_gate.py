"""A table of a new version is leak-tested before it is published for the first time."""

from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features.assets import leak_gate
from crypto_features.assets.lake import LakeResource
from crypto_features.assets.leak_gate import LeakError, pass_gate
from crypto_features.features import GROUPS
from crypto_features.features.leak import Leak, LeakReport

GROUP = GROUPS["price_features"]


def run(lake: LakeResource, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset(name=GROUP.name, check_specs=[leak_gate.leak_check(GROUP)])
    def table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster reads the bare class.
        return dg.MaterializeResult(check_results=[pass_gate(context, lake, GROUP)])

    return dg.materialize([table], resources={"lake": lake}, instance=instance, raise_on_error=False)


@pytest.fixture
def lake(tmp_path: UPath) -> LakeResource:
    return LakeResource(root=str(tmp_path), interval_minutes=60)


def test_the_versions_that_ship_are_on_the_list() -> None:
    """If this fails, a declaration changed: `python -m crypto_features.assets.leak_gate` leak-tests it and lists it."""
    assert leak_gate._shipped() == {name: leak_gate.tested_version(group) for name, group in GROUPS.items()}


def test_a_version_that_looks_ahead_is_not_published_and_the_check_says_why(
    lake: LakeResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = pl.datetime(2024, 1, 2, time_zone="UTC")
    time = pl.select(stamp).item()
    leak = Leak("return_1d", "truncate", "BTC", time, time, 0.1, 0.2)
    monkeypatch.setattr(leak_gate, "_shipped", dict)
    monkeypatch.setattr(leak_gate, "leak_test", lambda group: LeakReport(group.name, (leak,), {"truncate": 1}))
    with dg.instance_for_test() as instance:
        result = run(lake, instance)
        assert not result.success
        assert not result.asset_materializations_for_node(GROUP.name)
        key = dg.AssetCheckKey(dg.AssetKey(GROUP.name), leak_gate.CHECK)
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        check = record.evaluation
        assert check is not None
        assert not check.passed
        assert check.blocking
        assert "return_1d: truncate of BTC" in (check.description or "")
        (failure,) = result.get_step_failure_events()
        assert LeakError.__name__ in str(failure.step_failure_data.error)


def test_a_new_version_is_tested_once(lake: LakeResource, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[str] = []

    def honest(group: object) -> LeakReport:
        tested.append(str(group))
        return LeakReport(GROUP.name, (), {"truncate": 9})

    monkeypatch.setattr(leak_gate, "_shipped", dict)
    monkeypatch.setattr(leak_gate, "leak_test", honest)
    with dg.instance_for_test() as instance:
        assert run(lake, instance).success
        assert run(lake, instance).success
    assert len(tested) == 1


def test_another_window_is_tested_anew_and_another_text_is_not() -> None:
    first, *rest = GROUP.features
    changes: list[dict[str, Any]] = [{"window": first.window + 1}, {"recursive": True}]
    for change in changes:
        other = replace(GROUP, features=(replace(first, **change), *rest))
        assert leak_gate.tested_version(other) != leak_gate.tested_version(GROUP)
    reworded = replace(GROUP, features=(replace(first, description="Other words.", bounds=None), *rest))
    assert leak_gate.tested_version(reworded) == leak_gate.tested_version(GROUP)
