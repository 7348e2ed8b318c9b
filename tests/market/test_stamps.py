"""Rows that a clock ahead of time stamped: named by `scrub`, and brought back by `withdraw` with all else as it was."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner
from upath import UPath

from crypto_features.cli import app
from crypto_features.lake.candles import current
from crypto_features.lake.scrub import damage
from crypto_features.lake.stamps import bring_back, brought_back
from crypto_features.shipped import catalog
from tests.market.market import HOUR, LATER, START, Offer, candles
from tests.market.test_ingest import Lake

AHEAD = LATER + timedelta(days=365)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two symbols, one of which a clock ahead of time fetched, and then a candle of it anew as it was corrected."""
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", LATER.isoformat())
    lake, frame = Lake(tmp_path), candles("BTC", "ETH")
    lake.take(Offer(frame.filter(symbol="ETH")), "ETH", now=LATER - HOUR)
    lake.take(Offer(frame.filter(symbol="BTC")), "BTC", now=AHEAD)
    volume = pl.when(pl.col("open_time") == START).then(11.0).otherwise("volume").alias("volume")
    lake.take(Offer(frame.filter(symbol="BTC").with_columns(volume)), "BTC", now=LATER, again=True)
    return lake


def test_they_are_named_and_brought_back_once_and_every_value_stays(lake: Lake, tmp_path: Path) -> None:
    path = UPath(tmp_path) / "candles" / "2024-01.parquet"
    before, notes = lake.candles.read(), lake.candles.metadata("2024-01")
    said = damage(UPath(tmp_path), catalog, path)
    assert said is not None
    assert "count as known from 2026-01-01 00:00 UTC on" in said
    assert said.endswith("crypto-features withdraw")
    output = CliRunner().invoke(app, ["withdraw"]).output
    assert "candles: 49 rows counted as known later than the clock" in output
    assert damage(UPath(tmp_path), catalog, path) is None
    after = lake.candles.read()
    assert_frame_equal(after.drop("known_at"), before.drop("known_at"))
    assert_frame_equal(current(after).drop("known_at"), current(before).drop("known_at"))
    eth = pl.col("symbol") == "ETH"
    assert_frame_equal(after.filter(eth), before.filter(eth))
    assert after.filter(~eth)["known_at"].max() == LATER
    assert lake.candles.metadata("2024-01") == notes
    assert bring_back(UPath(tmp_path), catalog, LATER)["candles"] == 0


def test_versions_of_one_candle_keep_their_order() -> None:
    times = [AHEAD + timedelta(days=day) for day in (2, 0, 1)]
    rows = pl.DataFrame({"symbol": "BTC", "open_time": START, "known_at": times, "close": [3.0, 1.0, 2.0]})
    found = brought_back(rows.with_columns(pl.col("open_time", "known_at").dt.cast_time_unit("us")), "open_time", LATER)
    assert found.sort("known_at")["close"].to_list() == [1.0, 2.0, 3.0]
    assert found["known_at"].max() == LATER
