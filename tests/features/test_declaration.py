"""A declaration that would compute something else than it says is refused where it is made."""

import re
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.shipped import candles, daily_candles, price_features, regime_model, trading_signals
from crypto_features.tables.bars import Bars
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join, Table
from tests.features.markets import DAY, HOUR

CLOSE = pl.col("close")


def group(
    expression: pl.Expr = CLOSE, *joins: Join, bars: Table = daily_candles, ttl: timedelta | str | None = None
) -> FeatureGroup:
    feature = Feature("x", expression, "", "")
    return FeatureGroup("mine", bars=bars, joins=joins, features=(feature,), ttl=ttl)


@pytest.mark.parametrize("base", [HOUR, 4 * HOUR])
def test_bars_of_a_group_are_those_of_its_table_whatever_the_base_interval(base: timedelta) -> None:
    assert group(bars=candles).bar(base) == base
    assert group().bar(base) == DAY
    assert group(bars=Bars("quarters", of=candles, every="6h")).bar(base) == 6 * HOUR
    assert group(pl.col("ma_5"), bars=price_features).bar(base) == DAY
    assert group(pl.col("x"), bars=group(bars=candles)).bar(base) == base


@pytest.mark.parametrize("every", ["5h", "36h", "2d", "2w", "0h", timedelta(hours=7), -HOUR])
def test_bars_that_are_not_weeks_and_do_not_begin_with_each_day_are_refused(every: str | timedelta) -> None:
    with pytest.raises(InputError, match=r"^odd declares every=.*, which does not divide a day and is not a week; "):
        Bars("odd", of=candles, every=every)


@pytest.mark.parametrize(
    ("every", "length"),
    [("1d", DAY), ("4h", 4 * HOUR), ("90m", 1.5 * HOUR), (HOUR, HOUR), ("1w", 7 * DAY), ("7d", 7 * DAY)],
)
def test_bars_that_divide_a_day_and_weeks_are_taken(every: str | timedelta, length: timedelta) -> None:
    assert Bars("even", of=candles, every=every).bar(HOUR) == length


@pytest.mark.parametrize("text", ["a day", "4 hours", "1.5h", "-1d", "", "1y"])
def test_a_length_that_is_not_one_is_refused_with_what_it_is_the_length_of(text: str) -> None:
    why = f"{re.escape(repr(text))} is not a duration; expected a number and s, m, h, d or w, such as 1h"
    with pytest.raises(InputError, match=f"^the length of odd: {why}"):
        Bars("odd", of=candles, every=text)
    with pytest.raises(InputError, match=f"^the lookback of daily_candles: {why}"):
        Join(daily_candles, text)
    with pytest.raises(InputError, match=f"^the lookback of mine: {why}"):
        replace(group(bars=candles), lookback=text)
    with pytest.raises(InputError, match=f"^the ttl of mine: {why}"):
        group(bars=candles, ttl=text)
    with pytest.raises(InputError, match=f"^the lookback of regime_model: {why}"):
        replace(regime_model, lookback=text)


def test_a_length_of_more_than_a_century_is_refused() -> None:
    with pytest.raises(InputError, match="the lookback of candles: '99999d' is too long; expected at most 36500d"):
        Join(candles, "99999d")


@pytest.mark.parametrize(
    "expression",
    [
        CLOSE.rank().over("open_time"),
        CLOSE - CLOSE.mean().over("event_timestamp"),
        CLOSE / CLOSE.sum().over("symbol", "open_time"),
        CLOSE.rank().over(pl.col("open_time").dt.date()),
        CLOSE.rank().over(pl.col("open_time").dt.truncate("1d")),
        CLOSE.rank().over(pl.col("open_time").dt.offset_by("1h").dt.epoch("s")),
        (pl.when(CLOSE > 1).then(CLOSE.rank().over("open_time")) + 1).shift(1),
        CLOSE / CLOSE.filter(pl.col("symbol") == "BTC").last(),
    ],
    ids=str,
)
def test_an_expression_that_compares_symbols_is_refused(expression: pl.Expr) -> None:
    with pytest.raises(InputError, match=r"^mine\.x .* one symbol at a time. Declare across='symbols'"):
        group(expression)
    with pytest.raises(InputError, match=r"^mine's daily_candles\.before .* one symbol at a time"):
        group(CLOSE, Join(daily_candles, "1d", columns={"before": expression}), bars=candles)


@pytest.mark.parametrize(
    "expression",
    [
        CLOSE.rank().over(pl.col("open_time").dt.truncate("1mo")),
        CLOSE.first().over("symbol"),
        CLOSE.mean().over(CLOSE.diff().sign().rle_id()),
        CLOSE.filter(CLOSE > 1).max(),
        pl.when(pl.col("symbol") == "BTC").then(CLOSE),
    ],
    ids=str,
)
def test_an_expression_over_the_bars_of_one_symbol_is_taken(expression: pl.Expr) -> None:
    assert group(expression).feature("x")


def test_the_hours_of_a_day_may_be_a_group_of_base_candles() -> None:
    assert group(CLOSE.first().over(pl.col("open_time").dt.truncate("1d")), bars=candles).features


def test_a_value_lives_for_a_bar_unless_it_is_declared_to_live_longer() -> None:
    assert group(ttl=None).time_to_live(HOUR) == DAY
    assert group(ttl=3 * DAY).time_to_live(HOUR) == 3 * DAY
    assert [trading_signals.time_to_live(bar) for bar in (HOUR, 4 * HOUR, DAY)] == [HOUR, 4 * HOUR, DAY]


def test_a_value_that_expires_before_the_next_one_comes_is_refused() -> None:
    with pytest.raises(InputError, match="mine declares ttl=1:00:00, shorter than its bars of 1 day"):
        group(ttl=HOUR)
    hourly = group(CLOSE, bars=candles, ttl=HOUR)
    assert hourly.time_to_live(HOUR) == HOUR
    with pytest.raises(InputError, match="shorter than its bars of 4:00:00"):
        hourly.time_to_live(4 * HOUR)
