"""A table of a new version is leak-tested before it is published for the first time."""

import re
import sys
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features.graph import leak_gate
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.leak_gate import LeakError, pass_gate
from crypto_features.leak import Leak, LeakReport
from crypto_features.shipped import catalog
from crypto_features.versions.fingerprint import feature_fingerprints
from crypto_features.versions.measured import feature_versions
from tests.features.markets import DAY, HOUR, START, bars

GROUP = catalog.groups["price_features"]


def run(lake: LakeResource, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    @dg.asset(name=GROUP.name, check_specs=[leak_gate.leak_check(GROUP)])
    def table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster reads the bare class.
        return dg.MaterializeResult(check_results=[pass_gate(context, lake, GROUP)])

    return dg.materialize([table], resources={"lake": lake}, instance=instance, raise_on_error=False)


def known(candles: pl.DataFrame) -> pl.DataFrame:
    return candles.with_columns(known_at=pl.col("open_time") + HOUR)


@pytest.fixture
def lake(tmp_path: UPath) -> LakeResource:
    return LakeResource(root=str(tmp_path), interval_minutes=60)


def test_the_versions_that_ship_are_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a declaration changed: `python -m crypto_features.graph.leak_gate` leak-tests it and lists it."""
    monkeypatch.setenv("CRYPTO_FEATURES_DERIVATIVES_SOURCE", "archive")
    groups = catalog.with_optional().groups
    assert leak_gate._shipped() == {name: leak_gate.tested_version(group) for name, group in groups.items()}


def test_a_version_that_looks_ahead_is_not_published_and_the_check_says_why(
    lake: LakeResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = pl.datetime(2024, 1, 2, time_zone="UTC")
    time = pl.select(stamp).item()
    leak = Leak("return_1d", "truncate", "BTC", time, time, 0.1, 0.2)
    monkeypatch.setattr(leak_gate, "_shipped", dict)
    monkeypatch.setattr(leak_gate, "leak_test", lambda group, **_: LeakReport(group.name, (leak,), {"truncate": 1}))
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
        assert "price_features leaks by look-ahead: return_1d (look-ahead): truncate of BTC" in (
            check.description or ""
        )
        (failure,) = result.get_step_failure_events()
        assert LeakError.__name__ in str(failure.step_failure_data.error)


def test_a_version_is_tested_once_for_its_symbols(lake: LakeResource, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[str] = []

    def honest(group: object, *, by_name: pl.DataFrame) -> LeakReport:
        tested.append(", ".join(by_name["symbol"].unique().sort()))
        return LeakReport(GROUP.name, (), {"truncate": 9})

    monkeypatch.setattr(leak_gate, "_shipped", dict)
    monkeypatch.setattr(leak_gate, "leak_test", honest)
    with dg.instance_for_test() as instance:
        assert run(lake, instance).success
        assert run(lake, instance).success
        assert tested == ["FLAT, HUGE, LATE, TINY"]
        lake.table("candles").publish("2024-01", known(bars([1.0] * 9, step=HOUR, symbol="FTT")))
        assert run(lake, instance).success
        assert run(lake, instance).success
    assert tested[1:] == ["FLAT, FTT, HUGE, LATE, TINY"]


def test_a_leak_for_one_symbol_of_the_lake_is_not_published(
    lake: LakeResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *rest = GROUP.features
    tomorrow = pl.when(pl.col("symbol") == "FTT").then(pl.col("close").shift(-1)).otherwise(first.expression)
    leaking = replace(GROUP, features=(replace(first, expression=tomorrow), *rest))
    assert feature_versions(GROUP.name) == feature_fingerprints(leaking)  # no probe of the version shows it.
    lake.table("candles").publish("2024-01", known(bars([1.0] * 9, step=HOUR, symbol="FTT")))
    monkeypatch.setattr(sys.modules[__name__], "GROUP", leaking)
    with dg.instance_for_test() as instance:
        result = run(lake, instance)
        assert not result.success
        (failure,) = result.get_step_failure_events()
        assert re.search(r"price_features leaks by look-ahead: return_1d \(look-ahead\): .* of FTT", str(failure))


def test_each_symbol_is_probed_by_its_last_candles_even_if_it_trades_no_more(lake: LakeResource) -> None:
    long, short = 140 * 24, 20 * 24
    dead = bars([2.0] * long, step=HOUR, symbol="FTT")
    young = bars([3.0] * short, step=HOUR, symbol="NEW", start=START + 200 * DAY)
    candles = known(pl.concat([dead, young]))
    for (month,), rows in candles.group_by(pl.col("open_time").dt.strftime("%Y-%m")):
        lake.table("candles").publish(str(month), rows.sort("symbol", "open_time"))
    found = leak_gate.stretches(lake, HOUR)
    assert found.filter(symbol="FTT")["open_time"].to_list() == dead["open_time"].tail(130 * 24).to_list()
    assert found.filter(symbol="FTT")["close"].unique().to_list() == [2.0]
    # NEW has too few candles for any warm-up, and borrows those of the probe market.
    assert found.filter(symbol="NEW")["close"].equals(found.filter(symbol="HUGE")["close"])


def test_another_window_or_definition_is_tested_anew_and_another_text_is_not() -> None:
    first, *rest = GROUP.features
    changes: list[dict[str, Any]] = [
        {"window": first.window + 1},
        {"window": first.window + 1, "warm_up": first.warm_up},
        {"lookback": DAY},
        {"expression": pl.when(pl.col("symbol") == "FTT").then(0.0).otherwise(first.expression)},
    ]
    for change in changes:
        other = replace(GROUP, features=(replace(first, **change), *rest))
        assert leak_gate.tested_version(other) != leak_gate.tested_version(GROUP)
    reworded = replace(GROUP, features=(replace(first, description="Other words.", bounds=None), *rest))
    assert leak_gate.tested_version(reworded) == leak_gate.tested_version(GROUP)
