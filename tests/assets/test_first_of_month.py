"""On the first of a month, before its first day is over, the month has hours and no days: that is no fault."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from crypto_features.market import Table
from crypto_features.materialize import materialize_all
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
