"""Bars that are no whole hours: values, months, versions and leaks of what reads them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.compute.windows import window_mean
from crypto_features.leak import leak_test
from crypto_features.shipped import candles, daily_candles
from crypto_features.tables.bars import Bars
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import evaluate
from crypto_features.tables.table import Join
from crypto_features.versions.fingerprint import column_fingerprints, fingerprint
from crypto_features.versions.probe_market import HOUR, probe_candle, probe_market
from tests.features.markets import DAY, monthly

MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE
CLOSE = pl.col("close")
TRAIN = CLOSE / window_mean(CLOSE, 20).over("symbol") - 1
quarters = Bars("quarters", of=candles, every="15m")


def group(expression: pl.Expr, window: int = 1, **declared: object) -> FeatureGroup:
    feature = Feature("x", expression, "A feature.", "ratio", window=window)
    return FeatureGroup("of_quarters", **{"bars": quarters, "features": (feature,), **declared})  # type: ignore[arg-type] # by name


def minutes(real_hours: pl.DataFrame) -> pl.DataFrame:
    """Real candles of hours, laid on a grid of five minutes; some are lost, as they are in the files."""
    hour = (pl.col("open_time") - pl.col("open_time").min().over("symbol")).dt.total_hours()
    begin = datetime(2024, 1, 20, tzinfo=UTC)
    grid = (begin + hour * pl.lit(5 * MINUTE)).cast(pl.Datetime("us", "UTC"))
    return real_hours.with_columns(grid.alias("open_time")).filter(pl.col("open_time") < pl.lit(begin + 40 * DAY))


def test_values_of_quarters_equal_numpy_on_real_prices(real_candles: pl.DataFrame) -> None:
    market = minutes(real_candles).filter(symbol="BTC")
    bars = resample(market, 5 * MINUTE, QUARTER)
    got = evaluate(group(TRAIN, 20), {"quarters": bars}, interval=5 * MINUTE)
    opened = market["open_time"].dt.epoch("s").to_numpy() // 900
    last = np.append(np.flatnonzero(np.diff(opened)), len(opened) - 1)
    close = market["close"].to_numpy()[last]
    whole = np.diff(np.append(-1, last)) == 3
    mean = np.convolve(close, np.full(20, 1 / 20), "valid")
    expected = np.where(whole[19:], close[19:] / mean - 1, np.nan)
    assert len(got) == len(close) > 3_000
    assert got["event_timestamp"].dt.epoch("s").to_list() == ((opened[last] + 1) * 900).tolist()
    np.testing.assert_allclose(got["x"].to_numpy()[19:], expected, rtol=0, atol=1e-12)
    assert got["x"].null_count() == 19 + np.isnan(expected).sum() > 19


def test_months_of_quarters_equal_the_whole(real_candles: pl.DataFrame) -> None:
    bars = resample(minutes(real_candles), 5 * MINUTE, QUARTER)
    whole = evaluate(group(TRAIN, 20), {"quarters": bars}, interval=5 * MINUTE)
    by_month = monthly(group(TRAIN, 20), {"quarters": bars}, bars["open_time"])
    assert by_month.select(whole.columns).sort("symbol", "event_timestamp").equals(whole)


@pytest.mark.parametrize(
    ("every", "candle"),
    [("15m", 5 * MINUTE), ("1m", MINUTE / 3), ("90m", 30 * MINUTE), ("1h", HOUR), ("4h", HOUR), ("1w", HOUR)],
)
def test_each_length_of_bars_is_measured_on_candles_that_it_has_several_of(every: str, candle: timedelta) -> None:
    bars = Bars("bars", of=candles, every=every)
    assert probe_candle(bars) == candle
    assert probe_candle(group(TRAIN, 20, joins=(Join(daily_candles, "2d"),), bars=bars)) == candle


def test_the_market_of_minutes_is_that_of_hours_at_another_pace() -> None:
    hours, fast = probe_market(), probe_market(candle=5 * MINUTE)
    assert fast.drop("open_time").equals(hours.drop("open_time"))
    pace = hours["open_time"].diff().drop_nulls() / 12
    assert fast["open_time"].diff().drop_nulls().to_list() == pace.to_list()
    assert fast["open_time"].dt.month().unique().sort().to_list() == [1, 2]


def test_versions_of_quarters_follow_what_they_compute() -> None:
    assert fingerprint(group(TRAIN, 20)) == fingerprint(group(TRAIN, 20))
    assert fingerprint(group(TRAIN, 20)) != fingerprint(group(TRAIN * 1.0001, 20))
    halves = Bars("quarters", of=candles, every="30m")
    assert fingerprint(group(TRAIN, 20)) != fingerprint(group(TRAIN, 20, bars=halves))
    assert column_fingerprints(quarters)["close"] != column_fingerprints(halves)["close"]


TOMORROW = CLOSE.shift(-1).over("symbol")
OPENED = pl.col("open_time").dt
LEAKS = {
    "the next quarter": TOMORROW / CLOSE,
    "the next quarter on a leap day": pl.when(OPENED.month() == 2, OPENED.day() == 29).then(TOMORROW).otherwise(CLOSE),
    "the next quarter in December": pl.when(OPENED.month() == 12).then(TOMORROW).otherwise(CLOSE),
    "the next quarter before midnight": pl.when(OPENED.hour() == 23, OPENED.minute() == 45)
    .then(TOMORROW)
    .otherwise(CLOSE),
    "the highest price of all time": CLOSE / CLOSE.max().over("symbol"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_leaks_of_quarters_are_caught(leak: str) -> None:
    report = leak_test(group(LEAKS[leak]))
    assert {found.kind for found in report.leaks} >= {"look-ahead"}


def test_a_quarter_that_is_not_over_may_not_be_read_on_its_candles() -> None:
    early = pl.col("quarters.close").shift(-14).over("symbol")
    joined = group(CLOSE / early, bars=candles, joins=(Join(quarters, "1h"),))
    assert not leak_test(joined).passed


@pytest.mark.parametrize(
    "honest",
    [
        group(TRAIN, 20),
        group(CLOSE / pl.col("daily_candles.close"), joins=(Join(daily_candles, "2d"),)),
        group(CLOSE / pl.col("quarters.close"), bars=candles, joins=(Join(quarters, "1h"),)),
        group(OPENED.minute().cast(pl.Float64)),
    ],
    ids=["mean", "days", "base candles", "minute"],
)
def test_honest_features_of_quarters_raise_no_alarm_and_every_probe_ran(honest: FeatureGroup) -> None:
    report = leak_test(honest)
    assert report.leaks == ()
    assert report.unprobed == ()
