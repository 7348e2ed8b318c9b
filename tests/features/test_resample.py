"""Daily candles are those of the exchange: from the hours that exist, of days that are over."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_features.compute.resample import resample, waits_until
from crypto_features.errors import InputError
from crypto_features.shipped import candles
from crypto_features.tables.bars import Bars
from crypto_features.tables.read import Terms
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


LATE = HOURS.filter(~pl.col("open_time").is_between(START + 44 * HOUR, START + 47 * HOUR))
"""The second day lacks its last four hours."""
MIDNIGHT = START + 2 * DAY


@pytest.mark.parametrize(
    ("hours", "as_of", "days"),
    [
        (HOURS, MIDNIGHT, 2),
        (LATE, MIDNIGHT, 1),
        (LATE, MIDNIGHT + HOUR - timedelta(seconds=1), 1),
        (LATE, MIDNIGHT + HOUR, 2),
        (pl.concat([LATE, bars([9.0], step=HOUR, start=MIDNIGHT)]), MIDNIGHT + timedelta(minutes=1), 2),
        (HOURS, MIDNIGHT - timedelta(seconds=1), 1),
    ],
    ids=["the last candle came", "it is late", "and waited for", "the wait is over", "a later one came", "not closed"],
)
def test_a_day_is_over_with_its_last_candle_with_a_later_one_or_after_the_wait(
    hours: pl.DataFrame, as_of: datetime, days: int
) -> None:
    assert resample(hours, HOUR, DAY, as_of=as_of, wait=HOUR).height == days


@pytest.mark.parametrize("interval", [4 * HOUR, 12 * HOUR, DAY])
def test_a_late_symbol_holds_up_no_other_and_is_not_hurried_by_one(interval: timedelta) -> None:
    both = pl.concat([HOURS, LATE.with_columns(symbol=pl.lit("ETH"))])
    bars_of = resample(both, HOUR, interval, as_of=MIDNIGHT + timedelta(minutes=1), wait=HOUR)
    last = dict(bars_of.group_by("symbol").agg(pl.col("open_time").max()).iter_rows())
    whole_to = (
        START + 44 * HOUR if interval == 4 * HOUR else START + 36 * HOUR if interval == 12 * HOUR else START + DAY
    )
    assert last == {"BTC": MIDNIGHT - interval, "ETH": whole_to - interval}


def test_by_default_each_symbol_is_judged_by_its_own_newest_candle() -> None:
    stopped = LATE.with_columns(symbol=pl.lit("ETH"))
    counted = resample(pl.concat([HOURS, stopped]), HOUR, DAY).group_by("symbol", maintain_order=True).len()
    assert counted.rows() == [("BTC", 2), ("ETH", 1)]


@given(
    present=st.sets(st.integers(0, 47), min_size=1),
    others=st.sets(st.integers(0, 47)),
    minutes=st.integers(0, 52 * 60),
    wait=st.integers(0, 120),
)
def test_the_same_candles_give_the_same_days_until_the_time_that_is_noted(
    present: set[int], others: set[int], minutes: int, wait: int
) -> None:
    def of(hours: set[int], symbol: str) -> pl.DataFrame:
        return HOURS[sorted(hours)].with_columns(symbol=pl.lit(symbol))

    now, waited = START + timedelta(minutes=minutes), timedelta(minutes=wait)
    both = pl.concat([of(present, "BTC"), of(others, "ETH")]).filter(pl.col("open_time") + HOUR <= now)

    def days(as_of: datetime) -> pl.DataFrame:
        return resample(both, HOUR, DAY, as_of=as_of, wait=waited)

    until = waits_until(both, HOUR, DAY, as_of=now, wait=waited)
    if until is None:
        assert days(now).equals(days(START + 100 * DAY))
    else:
        assert until > now
        assert days(now).equals(days(until - timedelta(microseconds=1)))
        assert days(until).height > days(now).height


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


def test_a_week_begins_on_monday_and_is_what_pandas_makes_of_it(real_candles: pl.DataFrame) -> None:
    btc = real_candles.filter(symbol="BTC")
    ours = resample(btc, HOUR, 7 * DAY)
    hours = btc.to_pandas().set_index("open_time")
    how: Any = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    weeks = hours.resample("W-MON", label="left", closed="left").agg(how).dropna()
    counts = hours["close"].resample("W-MON", label="left", closed="left").count() / (7 * 24)
    weeks = weeks.loc[: ours["open_time"][-1]]
    assert ours["open_time"].to_list() == [time.to_pydatetime() for time in weeks.index]
    assert {time.weekday() for time in ours["open_time"]} == {0}
    for name in ("open", "high", "low", "close"):
        assert ours[name].to_list() == weeks[name].to_list(), name
    assert ours["volume"].to_numpy() == pytest.approx(weeks["volume"].to_numpy(), rel=1e-12)
    assert ours["completeness"].to_list() == counts.loc[weeks.index].to_list()


def test_blocks_of_four_hours_are_what_numpy_makes_of_them(real_candles: pl.DataFrame) -> None:
    eth = real_candles.filter(symbol="ETH")
    ours = resample(eth, HOUR, 4 * HOUR)
    block = eth["open_time"].dt.epoch("s").to_numpy() // (4 * 3600)
    first = np.flatnonzero(np.diff(block, prepend=block[0] - 1))
    last = np.append(first[1:], len(block)) - 1
    over = ours.height
    assert len(first) - over in (0, 1)  # the last one may not be over.
    assert (ours["open_time"].dt.epoch("s").to_numpy() == block[first][:over] * 4 * 3600).all()
    assert (ours["open"].to_numpy() == eth["open"].to_numpy()[first][:over]).all()
    assert (ours["close"].to_numpy() == eth["close"].to_numpy()[last][:over]).all()
    assert (ours["high"].to_numpy() == np.maximum.reduceat(eth["high"].to_numpy(), first)[:over]).all()
    assert (ours["low"].to_numpy() == np.minimum.reduceat(eth["low"].to_numpy(), first)[:over]).all()
    assert (ours["completeness"].to_numpy() == (last - first + 1)[:over] / 4).all()


def test_a_week_between_two_months_is_kept_with_the_month_in_which_it_opens() -> None:
    weeks, quiet = Bars("weeks", of=candles, every="1w"), 60
    hours = bars([float(n) for n in range(quiet * 24)], step=HOUR)
    terms = Terms(HOUR, START + quiet * DAY, HOUR, 0.0)

    def read(_table: str, months: Sequence[str], _columns: object, _symbols: object) -> pl.DataFrame:
        return hours.filter(pl.col("open_time").dt.strftime("%Y-%m").is_in(list(months)))

    parts = [weeks.compute(read, month, None, terms) for month in ("2024-01", "2024-02")]
    assert [part["open_time"].dt.day().to_list() for part in parts] == [[1, 8, 15, 22, 29], [5, 12, 19]]
    assert pl.concat(parts).equals(resample(hours, HOUR, 7 * DAY, as_of=terms.now))
    early = Terms(HOUR, START + 34 * DAY, HOUR, 0.0)
    assert weeks.compute(read, "2024-01", None, early)["open_time"].dt.day().to_list() == [1, 8, 15, 22]
