"""The whole graph on a small market: what is built, where it lies, and what can be read from it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.graph.materialize import Built
from crypto_features.lake.table import Table
from crypto_features.shipped import catalog

MONTHS = ("2024-01", "2024-02", "2024-03")
NOW = datetime(2024, 3, 10, 5, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def read(platform: Path, name: str) -> pl.DataFrame:
    return Table(UPath(platform), name, time="open_time" if "candles" in name else "event_timestamp").read()


def test_one_run_builds_every_asset(built: list[Built]) -> None:
    assert [asset.asset for asset in built] == [
        "candles",
        "daily_candles",
        "regime_model",
        "price_features",
        "volume_features",
        "regime_features",
        "trading_signals",
        "recompute_plan",
        "feast_registry",
        "online_store/price_features",
        "online_store/volume_features",
        "online_store/regime_features",
        "online_store/trading_signals",
        "training/ml_training_features",
        "catalog",
    ]


@pytest.mark.parametrize("table", ["candles", "daily_candles", *catalog.groups, "training/ml_training_features"])
def test_every_table_has_one_file_a_month(platform: Path, table: str) -> None:
    assert sorted(path.name for path in (platform / table).glob("*.parquet")) == [f"{m}.parquet" for m in MONTHS]


def test_every_month_has_a_regime_model_of_its_own(platform: Path) -> None:
    assert sorted(path.name for path in (platform / "regime_model").iterdir()) == [f"{m}.json" for m in MONTHS]


def test_no_unfinished_hour_and_no_unfinished_day_is_kept(platform: Path) -> None:
    assert read(platform, "candles")["open_time"].max() == datetime(2024, 3, 10, 4, tzinfo=UTC)
    assert read(platform, "daily_candles")["open_time"].max() == datetime(2024, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "bars", "length"), [("price_features", "daily_candles", DAY), ("trading_signals", "candles", HOUR)]
)
def test_a_feature_row_is_stamped_with_the_close_of_its_bar(
    platform: Path, table: str, bars: str, length: timedelta
) -> None:
    closes = read(platform, bars).select("symbol", event_timestamp=pl.col("open_time") + length)
    assert read(platform, table).select("symbol", "event_timestamp").equals(closes)


def test_a_window_that_is_not_full_is_null_and_the_next_one_is_the_mean(platform: Path) -> None:
    closes = read(platform, "daily_candles").filter(symbol="BTC")["close"]
    means = read(platform, "price_features").filter(symbol="BTC")["ma_20"]
    assert means[:19].null_count() == 19
    assert means[19] == pytest.approx(sum(closes[:20]) / 20, rel=1e-12)


def test_the_online_store_serves_the_newest_row_of_each_view(platform: Path) -> None:
    from feature_repo import get_online_features

    newest = read(platform, "price_features").filter(symbol="ETH").row(-1, named=True)
    online = get_online_features(symbols=["ETH"], feature_refs=["price_features:rsi_14", "price_features:ma_20"])
    assert newest["event_timestamp"] == datetime(2024, 3, 10, tzinfo=UTC)
    assert (online["rsi_14"], online["ma_20"]) == ([newest["rsi_14"]], [newest["ma_20"]])


def test_one_second_before_a_close_the_row_of_that_close_is_not_known(platform: Path) -> None:
    from feature_repo import create_entity_df, get_training_features

    close = datetime(2024, 3, 1, tzinfo=UTC)
    rows = read(platform, "price_features").filter(symbol="BTC")
    at = {
        time: get_training_features(create_entity_df(["BTC"], time, time))["rsi_14"].item()
        for time in (close - timedelta(seconds=1), close)
    }
    stamped = dict(rows.select("event_timestamp", "rsi_14").iter_rows())
    assert at == {close - timedelta(seconds=1): stamped[close - DAY], close: stamped[close]}


def test_the_training_set_holds_what_each_day_knew_at_its_close(platform: Path) -> None:
    joined = read(platform, "training/ml_training_features")
    known = read(platform, "price_features").join(
        read(platform, "volume_features"), on=["symbol", "event_timestamp"], how="inner"
    )
    names = [
        "symbol",
        "event_timestamp",
        "return_20d",
        "volatility_20d",
        "rsi_14",
        "ma_alignment",
        "bb_position",
        "volume_ratio",
    ]
    assert joined.columns == names
    assert joined.equals(known.select(names).sort("symbol", "event_timestamp"))


def test_a_partition_says_what_it_was_computed_from(platform: Path) -> None:
    note = Table(UPath(platform), "price_features").metadata("2024-03")
    assert set(note) >= {"fingerprints", "columns", "inputs", "run_id", "published_at"}
    assert note["published_at"] == NOW.isoformat()
