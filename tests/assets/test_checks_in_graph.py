"""The checks as a run meets them: against what was published, not against what arrived since."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features.definitions import build
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.store import FeastResource

HOUR = timedelta(hours=1)
LATER = datetime(2024, 3, 10, 6, 30, tzinfo=UTC)
ONLINE = dg.AssetKey(["online_store", "trading_signals"])


@pytest.fixture
def copied(platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A platform of its own for a test that changes it, an hour later."""
    shutil.copytree(platform, tmp_path / "data")
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", f"{LATER:%Y-%m-%dT%H:%MZ}")
    FeastResource().apply()  # the registry names the folder of each table.
    return tmp_path / "data"


def add_an_hour(table: Table, time: str) -> None:
    """Append a row of each symbol, an hour after its last, and keep what the file says of itself."""
    rows = table.read(["2024-03"])
    last = rows.filter(pl.col(time) == pl.col(time).max())
    notes = table.metadata("2024-03")
    table.publish("2024-03", pl.concat([rows, last.with_columns(pl.col(time) + HOUR)]), notes)


def outcome(instance: dg.DagsterInstance, asset: dg.AssetKey, name: str) -> dg.AssetCheckEvaluation:
    """What one check of an asset says now."""
    graph = build(Settings.load())
    chosen = dg.AssetSelection.checks(dg.AssetCheckKey(asset, name))
    with_job = dg.Definitions.merge(graph, dg.Definitions(jobs=[dg.define_asset_job("only_checks", chosen)]))
    done = with_job.resolve_job_def("only_checks").execute_in_process(instance=instance, raise_on_error=False)
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that a test alone uses."""
    with dg.instance_for_test() as found:
        yield found


def test_a_view_that_is_behind_as_a_whole_is_found(copied: Path, instance: dg.DagsterInstance) -> None:
    assert outcome(instance, ONLINE, "parity").passed
    add_an_hour(Table(UPath(copied), "trading_signals"), "event_timestamp")
    assert outcome(instance, ONLINE, "parity").passed, "nothing was published since"
    published = {"window_end": dg.MetadataValue.timestamp(LATER)}
    instance.report_runless_asset_event(dg.AssetMaterialization(ONLINE, partition="2024-03", metadata=published))
    assert not outcome(instance, ONLINE, "parity").passed


def test_a_candle_that_arrives_after_the_table_was_made_is_no_missing_row(
    copied: Path, instance: dg.DagsterInstance
) -> None:
    signals, candles = (
        Table(UPath(copied), "trading_signals"),
        Table(UPath(copied), "candles", time="open_time", raw=True),
    )
    asset = dg.AssetKey("trading_signals")
    add_an_hour(signals, "event_timestamp")
    assert not outcome(instance, asset, "row_count").passed, "a row without a candle"
    rows = candles.read(["2024-03"])
    last = rows.filter(pl.col("open_time") == pl.col("open_time").max())
    candles.publish("2024-03", pl.concat([rows, last.with_columns(pl.col("open_time") + HOUR)]), {})
    assert outcome(instance, asset, "row_count").passed


def test_months_that_other_code_wrote_fail_the_schema_check(copied: Path, instance: dg.DagsterInstance) -> None:
    prices, asset = Table(UPath(copied), "price_features"), dg.AssetKey("price_features")
    assert outcome(instance, asset, "schema").passed
    prices.publish("2024-01", prices.read(["2024-01"]).drop("rsi_14"), prices.metadata("2024-01"))
    assert "rsi_14" in (outcome(instance, asset, "schema").description or "")
    assert not outcome(instance, asset, "schema").passed
    assert outcome(instance, asset, "row_count").passed
