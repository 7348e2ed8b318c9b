"""With a source of derivatives the graph fetches them, checks them and publishes their features."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.definitions import build
from crypto_features.graph.materialize import command_tags, materialize_all
from crypto_features.graph.recompute import plan_of
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from feature_repo import get_online_features
from tests.market.futures import FIVE, HOUR, every, funding_csv, metrics_csv, put
from tests.market.test_archive import Archive, serving

JANUARY, DAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=1)
DAYS = 45
RAW = ("funding", "derivatives")
ASSETS = ("candles", "daily_candles", "funding", "derivatives", "derivatives_features")
CLOCK = "2024-02-15T00:30Z"


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Archive]:
    archive = Archive()
    settled = [(time, 8, 1e-4) for time in every(JANUARY, 8 * HOUR, 31 * 3)]
    put(archive, "fundingRate", "2024-01", funding_csv(settled))
    for number in range(DAYS):
        day = JANUARY + number * DAY
        values = [(1000 + number, 5e7, 1.0, 1.0, 1.5, 1.0)] * 288
        put(archive, "metrics", f"{day:%Y-%m-%d}", metrics_csv(every(day, FIVE, 288), values))
    with serving(archive) as url:
        given = {"DERIVATIVES_SOURCE": "archive", "ARCHIVE_URL": url, "SYMBOLS": "BTC", "START": "2024-01"}
        for name, value in {**given, "DATA": str(tmp_path), "CLOCK": CLOCK}.items():
            monkeypatch.setenv(f"CRYPTO_FEATURES_{name}", value)
        yield archive


def materialized(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    job = build(Settings.load()).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[dg.AssetKey(name) for name in ASSETS],
        instance=instance,
        tags=command_tags("2024-01", "2024-02"),
    )


def test_the_graph_fetches_checks_and_computes(archive: Archive, tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        run = materialized(instance)
        checks = {
            (one.asset_key.to_user_string(), one.check_name): one.passed for one in run.get_asset_check_evaluations()
        }
        for name in RAW:
            assert [checks[name, check] for check in ("contract", "quarantine", "gaps", "all_fetched")] == [True] * 4
        rows = stored(UPath(tmp_path), current_catalog(), "derivatives_features").read()
        tenth = rows.filter(pl.col("event_timestamp") == JANUARY + 11 * DAY).row(0, named=True)
        assert tenth["funding_rate"] == 1e-4
        assert tenth["funding_mean_7d"] == pytest.approx(1e-4, abs=1e-12)
        assert tenth["open_interest_change_1d"] == pytest.approx(1009 / 1008 - 1)
        assert tenth["open_interest_change_7d"] == pytest.approx(1009 / 1002 - 1)
        assert (tenth["long_short_ratio"], tenth["taker_imbalance"]) == (1.5, 0.0)
        late = rows.filter(pl.col("event_timestamp") > datetime(2024, 2, 4, tzinfo=UTC))
        assert late["funding_rate"].null_count() == late.height  # February's file comes when February is over.
        assert [item for item in plan_of(Settings.load()).stale if item.asset in ASSETS] == []
        archive.asked.clear()
        materialized(instance)
        assert [path for path in archive.asked if path.endswith(".zip")] == []


def test_the_view_is_served_with_what_was_known_when_the_day_began(archive: Archive, tmp_path: Path) -> None:
    assert archive.files
    with dg.instance_for_test() as instance:
        built = materialize_all(build(Settings.load()), instance, ("2024-01", "2024-02"))
    assert {"funding", "derivatives", "derivatives_features", "online_store/derivatives_features"} <= {
        one.asset for one in built
    }
    refs = [f"derivatives_features:{name}" for name in ("long_short_ratio", "open_interest_change_7d", "funding_rate")]
    online = get_online_features(["BTC"], refs)
    assert online["long_short_ratio"] == [1.5]
    opens = stored(UPath(tmp_path), current_catalog(), "daily_candles").read()["open_time"].to_list()
    now, then = (1000 + (opens[number] - JANUARY) // DAY - 1 for number in (-1, -8))
    assert online["open_interest_change_7d"] == [pytest.approx(now / then - 1)]
    assert online.statuses["funding_rate"] == ["NULL_VALUE"]
    assert online.event_times["derivatives_features"] == [datetime(2024, 2, 15, tzinfo=UTC)]


def test_an_exchange_is_asked_each_hour_for_the_newest_month(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.files
    monkeypatch.setenv("CRYPTO_FEATURES_DERIVATIVES_SOURCE", "ccxt")
    definitions, instance = build(Settings.load()), dg.DagsterInstance.ephemeral()
    chosen = dg.AssetSelection.assets(*RAW)
    times = [datetime(2024, 2, 15, 0, minute, tzinfo=UTC) for minute in (2, 4)]
    before = dg.evaluate_automation_conditions(definitions, instance, chosen, evaluation_time=times[0])
    after = dg.evaluate_automation_conditions(
        definitions, instance, chosen, evaluation_time=times[1], cursor=before.cursor
    )
    assert (before.total_requested, after.total_requested) == (0, 2)
    assert [after.get_requested_partitions(dg.AssetKey(name)) for name in RAW] == [{"2024-02"}] * 2
