"""The breakout after Larry Williams, worked out by hand."""

from datetime import timedelta

import polars as pl
import pytest

from crypto_features.shipped import catalog
from crypto_features.shipped.signals import volatility_breakout
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import compute_partition
from tests.features.markets import DAY, HOUR, START, TIME, bars

SIGNALS = catalog.groups["trading_signals"]
DAY_15 = START + 14 * DAY
HOURS = [100.0, 101.0, 104.0, 106.0, *[103.0] * 18, 98.0, 99.0]
"""Closes of 15 January; the open of each hour is the close of the hour before, and the day opens at 100."""


def day(closes: list[float] = HOURS) -> pl.DataFrame:
    opens = [100.0, *closes[:-1]]
    return bars(closes, step=HOUR, start=DAY_15, columns={"open": opens})


def yesterday(high: float = 110.0, low: float = 100.0, *, days: int = 1) -> pl.DataFrame:
    """`days` equal daily candles, the last of them 14 January."""
    flat = [104.0] * days
    prices = {"open": [102.0] * days, "high": [high] * days, "low": [low] * days}
    return bars(flat, start=DAY_15 - days * DAY, columns=prices)


def trend(
    ma_5: float | None = 100.0, ma_20: float | None = 90.0, atr: float | None = 4.0, age: timedelta = 0 * DAY
) -> pl.DataFrame:
    row = {"symbol": ["BTC"], "event_timestamp": [DAY_15 - age], "ma_5": [ma_5], "ma_20": [ma_20], "atr_14": [atr]}
    floats = pl.col("ma_5", "ma_20", "atr_14").cast(pl.Float64)
    return pl.DataFrame(row).with_columns(pl.col("event_timestamp").cast(TIME), floats)


def signals(
    candles: pl.DataFrame | None = None,
    daily: pl.DataFrame | None = None,
    prices: pl.DataFrame | None = None,
    group: FeatureGroup = SIGNALS,
) -> pl.DataFrame:
    inputs = {
        "candles": day() if candles is None else candles,
        "daily_candles": yesterday() if daily is None else daily,
        "price_features": trend() if prices is None else prices,
    }
    return compute_partition(group, inputs, "2024-01", interval=HOUR)


def test_the_target_is_todays_open_plus_half_of_yesterdays_range_all_day() -> None:
    assert signals()["target_price"].to_list() == [105.0] * 24


def test_a_buy_needs_a_close_at_or_above_the_target_and_a_rising_trend() -> None:
    assert signals()["can_buy"].to_list() == [0, 0, 0, 1, *[0] * 20]
    assert signals(day([105.0] * 24))["can_buy"].to_list() == [1] * 24
    assert signals(prices=trend(ma_5=90.0))["can_buy"].to_list() == [0] * 24


def test_a_sale_is_due_below_yesterdays_ma_5_and_in_the_last_hour_of_the_day() -> None:
    assert signals()["should_sell"].to_list() == [*[0] * 22, 1, 1]
    last = day([103.0] * 24)
    assert signals(last)["should_sell"].to_list() == [*[0] * 23, 1]
    assert signals(last.head(20))["should_sell"].to_list() == [0] * 20


def test_strength_is_the_distance_to_the_target_in_true_ranges() -> None:
    assert signals()["signal_strength"][:4].to_list() == [-1.25, -1.0, -0.25, 0.25]


def test_the_last_hour_still_looks_at_the_day_before_its_own() -> None:
    both = pl.concat([trend(), trend(ma_5=0.0, ma_20=1.0, atr=1.0, age=-DAY)])
    rows = signals(day([106.0] * 24), prices=both)
    assert rows["can_buy"].to_list() == [1] * 24
    assert rows["signal_strength"].to_list() == [0.25] * 24


def test_without_yesterday_there_is_no_target() -> None:
    older = yesterday().with_columns(pl.col("open_time") - DAY)
    assert signals(daily=older)["target_price"].null_count() == 24
    assert signals(daily=older)["can_buy"].null_count() == 24


def test_an_unknown_trend_is_null_and_never_zero() -> None:
    rows = signals(prices=trend(None, None, None))
    assert (
        rows["can_buy"].null_count() == rows["should_sell"].null_count() == rows["signal_strength"].null_count() == 24
    )


@pytest.mark.parametrize(("age", "known"), [(3 * DAY, True), (8 * DAY, False)])
def test_the_last_complete_day_may_be_a_few_days_old(age: timedelta, *, known: bool) -> None:
    assert (signals(prices=trend(age=age))["should_sell"].null_count() == 0) is known


def test_the_noise_variant_weighs_the_range_by_the_mean_noise_of_twenty_days() -> None:
    noisy = volatility_breakout(k=None)
    # noise of each day: 1 − |102 − 104| / (110 − 100) = 0.8, so the target is 100 + 0.8 · 10.
    assert signals(daily=yesterday(days=20), group=noisy)["target_price"].to_list() == [pytest.approx(108.0)] * 24
    assert signals(daily=yesterday(days=19), group=noisy)["target_price"].null_count() == 24
