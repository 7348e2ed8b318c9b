"""Daily candles are those of the exchange: from the hours that exist, of days that are over."""

from datetime import timedelta

import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.features import resample
from tests.features.markets import DAY, HOUR, START, bars

PRICES = [float(n) for n in range(1, 49)]
HOURS = bars(PRICES, step=HOUR, columns={"high": [p + 1 for p in PRICES], "low": [p - 1 for p in PRICES]})


def test_a_day_is_first_open_highest_high_lowest_low_last_close_and_all_volume() -> None:
    day = resample(HOURS, HOUR, DAY).row(0, named=True)
    assert day == {
        "symbol": "BTC",
        "open_time": START,
        "open": 1.0,
        "high": 25.0,
        "low": 0.0,
        "close": 24.0,
        "volume": 24.0,
        "completeness": 1.0,
    }


def test_a_day_that_is_not_over_is_left_out() -> None:
    assert resample(HOURS.head(47), HOUR, DAY).height == 1
    assert resample(HOURS, HOUR, DAY, as_of=START + 2 * DAY - timedelta(seconds=1)).height == 1
    assert resample(HOURS, HOUR, DAY, as_of=START + 2 * DAY).height == 2


def test_missing_hours_lower_completeness_and_nothing_else_is_done_about_them() -> None:
    missing = HOURS.filter(~pl.col("open_time").is_between(START + 23 * HOUR, START + 30 * HOUR))
    days = resample(missing, HOUR, DAY)
    assert days["completeness"].to_list() == [23 / 24, 17 / 24]
    assert days["close"][0] == 23.0
    assert days["open"][1] == 32.0


def test_a_day_without_a_candle_does_not_exist() -> None:
    days = resample(HOURS.filter(pl.col("open_time") >= START + DAY), HOUR, DAY)
    assert days["open_time"].to_list() == [START + DAY]


def test_no_candles_are_no_days() -> None:
    assert resample(HOURS.clear(), HOUR, DAY).height == 0


def test_an_interval_that_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match="7:00:00 does not divide 1 day"):
        resample(HOURS, 7 * HOUR, DAY)


def test_the_known_incomplete_days_of_btc(real_daily: pl.DataFrame) -> None:
    btc = real_daily.filter(symbol="BTC")
    # listed at 04:00 on its first day, and the last candle of the set is of an unfinished day.
    assert btc.height == 1881
    assert btc.filter(pl.col("completeness") < 1).height == 29
    assert btc.filter(open_time=pl.datetime(2018, 2, 8, time_zone="UTC"))["completeness"].item() == 1 / 24
