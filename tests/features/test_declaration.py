"""A declaration that would compute something else than it says is refused where it is made."""

from datetime import timedelta

import polars as pl
import pytest
from crypto_features.tables.names import check_names

from crypto_features.errors import InputError
from crypto_features.shipped import catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from tests.features.markets import DAY, HOUR

CLOSE = pl.col("close")
CANDLES, DAYS = Input("candles", timedelta(0)), Input("daily_candles", 40 * DAY)


def group(
    expression: pl.Expr = CLOSE,
    *inputs: Input,
    interval: timedelta | None = DAY,
    ttl: timedelta | None = None,
) -> FeatureGroup:
    return FeatureGroup("mine", "", interval, ttl, inputs or (DAYS,), (Feature("x", expression, "", ""),))


@pytest.mark.parametrize(
    ("first", "interval", "expected"),
    [
        (CANDLES, 4 * HOUR, r"declares interval=4:00:00, and candles, .* has bars of the base interval.*interval=None"),
        (CANDLES, HOUR, "interval=None"),
        (DAYS, None, "bars of 1 day"),
        (DAYS, 7 * DAY, "bars of 1 day"),
    ],
)
def test_the_bars_are_as_long_as_those_of_the_first_input(
    first: Input, interval: timedelta | None, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        group(CLOSE, first, interval=interval)


def test_the_bars_of_a_group_of_groups_are_those_of_the_first_group() -> None:
    hourly = group(pl.col("ma_5"), Input("price_features", 40 * DAY), interval=None)
    with pytest.raises(
        InputError, match="mine declares interval=None, and price_features, its first input, has bars of 1"
    ):
        check_names({**catalog.groups, "mine": hourly}, (), ("price_features", ()))


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
    with pytest.raises(
        InputError, match=r"^mine\.x .* one symbol at a time, and comparing symbols is not possible yet"
    ):
        group(expression)
    with pytest.raises(InputError, match=r"^mine's daily_candles\.before .* one symbol at a time"):
        group(CLOSE, CANDLES, Input("daily_candles", DAY, columns={"before": expression}), interval=None)


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
    assert group(CLOSE.first().over(pl.col("open_time").dt.truncate("1d")), CANDLES, interval=None).features


def test_a_value_lives_for_a_bar_unless_it_is_declared_to_live_longer() -> None:
    assert group(ttl=None).time_to_live(HOUR) == DAY
    assert group(ttl=3 * DAY).time_to_live(HOUR) == 3 * DAY
    signals = catalog.groups["trading_signals"]
    assert [signals.time_to_live(bar) for bar in (HOUR, 4 * HOUR, DAY)] == [HOUR, 4 * HOUR, DAY]


def test_a_value_that_expires_before_the_next_one_comes_is_refused() -> None:
    with pytest.raises(InputError, match="mine declares ttl=1:00:00, shorter than its bars of 1 day"):
        group(ttl=HOUR)
    hourly = group(CLOSE, CANDLES, interval=None, ttl=HOUR)
    assert hourly.time_to_live(HOUR) == HOUR
    with pytest.raises(InputError, match="shorter than its bars of 4:00:00"):
        hourly.time_to_live(4 * HOUR)
