"""A price that equals its threshold in decimals is decided as decimals decide it, whatever floats round it to."""

import random
from collections.abc import Sequence
from decimal import Decimal

import polars as pl
import polars.selectors as cs
import pytest

from crypto_features.shipped import catalog
from crypto_features.tables.partition import compute_partition, evaluate, every_row
from tests.features.markets import DAY, HOUR, START, TIME

TICKS = ("0.01", "0.00001", "0.00000001")
TODAY = START + 14 * DAY
HALF = Decimal("0.5")


def frame(rows: Sequence[tuple[object, ...]], columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame(rows, columns, orient="row").with_columns(cs.datetime().cast(TIME))


def signals(candles: pl.DataFrame, daily: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    inputs = {"candles": candles, "daily_candles": daily, "price_features": prices}
    return compute_partition(catalog.groups["trading_signals"], inputs, "2024-01", interval=HOUR)


@pytest.mark.parametrize("tick", TICKS)
def test_a_close_on_the_target_buys_and_one_tick_below_does_not(tick: str) -> None:
    draw, unit = random.Random(tick), Decimal(tick)
    candles, days, trends = [], [], []
    for number in range(500):
        symbol = f"S{number}"
        opened, low = (draw.randrange(1, 10**6) * unit for _ in range(2))
        high = low + 2 * draw.randrange(10**5) * unit
        target = opened + HALF * (high - low)
        for hour, close in enumerate((target, target + unit, target - unit)):
            candles.append((symbol, TODAY + hour * HOUR, *map(float, (opened, close, close, close, close))))
        days.append((symbol, TODAY - DAY, *map(float, (low, high, low, low, low))))
        trends.append((symbol, TODAY, 2.0, 1.0, 1.0))
    bars = ["symbol", "open_time", "open", "high", "low", "close", "volume"]
    rows = signals(
        frame(candles, bars),
        frame(days, bars),
        frame(trends, ["symbol", "event_timestamp", "ma_5", "ma_20", "atr_14"]),
    )
    assert rows["can_buy"].to_list() == [1, 1, 0] * 500


@pytest.mark.parametrize("tick", TICKS)
def test_a_mean_that_equals_a_price_or_another_mean_is_not_above_it(tick: str) -> None:
    draw, unit = random.Random(tick), Decimal(tick)
    closes: dict[str, list[Decimal]] = {}
    for number in range(200):
        base = draw.randrange(10**4, 10**6)
        steps = [draw.randrange(-900, 900) for _ in range(4)]
        week = [base + step for step in (*steps, -sum(steps))]  # five closes with the mean `base`.
        draw.shuffle(week)
        closes[f"S{number:03}"] = [tick * unit for tick in (*week, *week[::-1], *week, *week)]
    start = TODAY - 20 * DAY
    days = [
        (symbol, start + i * DAY, *[float(close)] * 4, 1.0)
        for symbol, prices in closes.items()
        for i, close in enumerate(prices)
    ]
    bars = ["symbol", "open_time", "open", "high", "low", "close", "volume"]
    prices = evaluate(catalog.groups["price_features"], {"daily_candles": frame(days, bars)}, interval=HOUR)
    means = {symbol: sum(prices[-5:], Decimal(0)) / 5 for symbol, prices in closes.items()}
    hours = [
        (symbol, TODAY + hour * HOUR, *[float(mean + (hour - 1) * unit)] * 4, 1.0)
        for symbol, mean in means.items()
        for hour in range(3)
    ]
    rows = signals(frame(hours, bars), frame(days, bars), prices)
    assert rows["should_sell"].to_list() == [1, 0, 0] * 200
    assert rows["can_buy"].sum() == 0, "ma_5 equals ma_20"


def test_every_real_tie_with_the_target_is_decided_as_decimals_decide_it(
    real_candles: pl.DataFrame, real_daily: pl.DataFrame, real_prices: pl.DataFrame
) -> None:
    inputs = {"candles": real_candles, "daily_candles": real_daily, "price_features": real_prices}
    rows = every_row(catalog.groups["trading_signals"], inputs, interval=HOUR)
    hours = real_candles.sort("symbol", "open_time").with_columns(day=pl.col("open_time").dt.truncate("1d"))
    days = real_daily.select("symbol", "high", "low", day=pl.col("open_time") + DAY)
    trends = real_prices.select("symbol", "ma_5", "ma_20", open_time="event_timestamp").sort("open_time")
    close_calls = (
        hours.with_columns(opened=pl.col("open").first().over("symbol", "day"))
        .join(days, on=["symbol", "day"], suffix="_before")
        .join(rows.with_columns(open_time=pl.col("event_timestamp") - HOUR), on=["symbol", "open_time"])
        .filter((pl.col("close") - pl.col("target_price")).abs() < 1e-9 * pl.col("close"))
        .sort("open_time")
        .join_asof(trends, on="open_time", by="symbol", check_sortedness=False)
        .drop_nulls("can_buy")
    )
    ties = 0
    for row in close_calls.iter_rows(named=True):
        opened, high, low, close = (Decimal(repr(row[n])) for n in ("opened", "high_before", "low_before", "close"))
        target = opened + HALF * (high - low)
        ties += close == target
        assert row["can_buy"] == (close >= target and row["ma_5"] > row["ma_20"]), row
    assert ties > 50
