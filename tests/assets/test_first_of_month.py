"""On the first of a month, before its first day is over, the month has hours and no days: that is no fault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from crypto_features import clock
from crypto_features.graph.materialize import materialize_all
from crypto_features.graph.partitions import monthly
from crypto_features.lake.table import Table
from crypto_features.settings import Settings


@pytest.mark.parametrize("first", ["2024-02", "2024-03"])
def test_a_month_without_a_finished_day_is_built_and_passes_its_checks(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crypto_features.definitions import build

    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-02")
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-03-01T02:30Z")
    with dg.instance_for_test() as instance:
        for months in [("2024-02",), (first, "2024-03")]:
            materialize_all(build(Settings.load()), instance, months)
    signals = Table(UPath(tmp_path), "trading_signals").read(["2024-03"])
    assert signals["event_timestamp"].to_list() == [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (1, 2)]
    assert Table(UPath(tmp_path), "daily_candles", time="open_time").months() == ("2024-02",)


@pytest.mark.parametrize("back", [timedelta(0), timedelta(days=400)], ids=["this month", "a past month"])
def test_the_open_month_is_a_partition_whether_the_clock_runs_or_is_stopped(
    back: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now() - back
    running = monthly(datetime(2024, 1, 1, tzinfo=UTC)).get_partition_keys()
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", now.isoformat())
    stopped = monthly(datetime(2024, 1, 1, tzinfo=UTC)).get_partition_keys()
    assert stopped[-1] == f"{now:%Y-%m}"
    assert stopped == [month for month in running if month <= f"{now:%Y-%m}"]
