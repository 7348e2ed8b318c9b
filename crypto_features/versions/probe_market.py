"""The probe market: a fixed market on which behaviour is measured, made from integers alone.

Its candles are hours. For bars that are no whole hours they are a third of these: the same candles follow each other
faster, and a day, as this module counts days, is 24 of them.

Whole-number arithmetic gives the same candles on every machine and Python, with no random number library. It has what
breaks features: gaps, a missing day and a missing week, hours without volume, wicks, flat stretches, tiny and huge
prices, a late listing. Its history, in daily candles, is longer than every lookback and has a trend longer than a year.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce

import numpy as np
import polars as pl

from crypto_features.durations import common
from crypto_features.tables.bars import DAY, Bars
from crypto_features.tables.catalog import upstream
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.table import Table

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 130
"""Days on which fingerprints are measured."""
MONTH_END, MONTH_END_DAYS = datetime(2024, 2, 1, tzinfo=UTC), 90
"""Where a month ends within a market of minutes, and how many of its days lie before."""

SILENT = 57
"""Day until which the flat stretch is without volume; after it, volume is traded at an unchanged price."""

HISTORY_DAYS = 1600
"""Days of daily candles before `START`: more than the four years that a regime fit reads."""

_MASK = (1 << 64) - 1
COLUMNS = ["symbol", "open_time", "open", "high", "low", "close", "volume"]
LOST_DAY = 55
LOST_WEEK = range(100, 107)
_FLAT = {"FLAT": range(40, 75), "LATE": range(33, 53)}
"""Days without a move; LATE is listed with one, so nothing ever moved before."""

_SYMBOLS = {
    "HUGE": (98_765_43210, 10**5, 0),
    "TINY": (1_234_567, 10**11, 0),
    "LATE": (31_415, 10**3, 33),
    "FLAT": (10_007, 10**4, 0),
}
"""First price and how many units make one quote currency, and the day of listing."""


def probe_candle(table: Table) -> timedelta:
    """Length of the candles on which a table is measured: an hour, or a third of the bars that are no whole hours."""
    lengths = [other.bar(HOUR) for other in upstream(table) if isinstance(other, Bars)]
    shared = reduce(common, lengths, DAY)
    return shared / 3 if shared % HOUR else HOUR


def probe_day(candle: timedelta) -> timedelta:
    """What a day of the probe market lasts: 24 candles, and never more than a day."""
    return min(24 * candle, DAY)


def probe_start(candle: timedelta) -> datetime:
    """When the probe market begins: of minutes so that a month ends within it."""
    return START if candle >= HOUR else MONTH_END - -(-MONTH_END_DAYS * probe_day(candle) // DAY) * DAY


@lru_cache(maxsize=4)
def probe_market(days: int = DAYS, candle: timedelta = HOUR) -> pl.DataFrame:
    """Candles of four symbols: `symbol, open_time, open, high, low, close, volume`.

    Args:
        days: How many times 24 candles.
        candle: Length of a candle.
    """
    parts = [_symbol(name, seed, days, candle) for seed, name in enumerate(_SYMBOLS, start=1)]
    return pl.concat(parts).sort("symbol", "open_time")


def with_symbols(market: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """A market in which symbols that are not in it move as its first one does, so that what reads them has values."""
    missing = [symbol for symbol in symbols if symbol not in market["symbol"]]
    if not missing or market.is_empty():
        return market
    first = market.filter(pl.col("symbol") == market["symbol"][0])
    return pl.concat([market, *(first.with_columns(symbol=pl.lit(name)) for name in missing)]).sort(
        "symbol", "open_time"
    )


def interrupted_market(candle: timedelta = HOUR) -> pl.DataFrame:
    """The probe market as it was known in the middle of a bar."""
    until = probe_start(candle) + (24 * (DAYS - 1) + 7) * candle
    return probe_market(candle=candle).filter(pl.col("open_time") < until)


@lru_cache(maxsize=1)
def probe_history() -> pl.DataFrame:
    """Daily candles of two markets that were delisted when the hourly candles begin: one in waves, one that only rises.

    Columns as `resample` gives them: `symbol, open_time, open, high, low, close, volume, completeness`.
    """
    rows = []
    for name, seed, trend in (("STEADY", 7, (900,)), ("WAVES", 8, (1100, 0, -1200, 100, 0, -300, 500))):
        price = 10**12
        for day, draws in enumerate(_draws(seed, HISTORY_DAYS, 4)):
            step = trend[day // 37 % len(trend)] + draws[0] % 4001 - 2000
            opened, price = price, price + price * step // 100_000
            high = max(opened, price) + price * (draws[1] % 900) // 100_000
            low = min(opened, price) - price * (draws[2] % 900) // 100_000
            time = START - (HISTORY_DAYS - day) * timedelta(days=1)
            prices = (value / 10**8 for value in (opened, high, low, price))
            rows.append((name, time, *prices, (1 + draws[3] % 1_000_000) / 64, 1.0))
    history = pl.DataFrame(rows, [*COLUMNS, "completeness"], orient="row")
    return history.with_columns(pl.col("open_time").cast(TIME))


def _symbol(name: str, seed: int, days: int, candle: timedelta) -> pl.DataFrame:
    price, units, listed = _SYMBOLS[name]
    still, rows = _FLAT.get(name, ()), []
    for hour, draws in enumerate(_draws(seed, days * 24, 5)):
        day = hour // 24
        flat = day in still
        drift = (0, 60, -70, 20, -40)[(day // 13 + seed) % 5]
        step = 0 if flat else drift + draws[0] % 1601 - 800
        opened, price = price, max(price + price * step // 100_000, 1000)
        high = max(opened, price) + (0 if flat else price * (draws[1] % 500) // 100_000)
        low = min(opened, price) - (0 if flat else price * (draws[2] % 500) // 100_000)
        if draws[3] % 1013 == 0:
            low = low // 3
        volume = 0 if (name == "FLAT" and flat and day < SILENT) or draws[3] % 53 == 0 else 1 + draws[4] % 1_000_000
        if day >= listed and not _missing(name, hour, draws[3]):
            rows.append((hour, opened / units, high / units, low / units, price / units, volume / 64))
    frame = pl.DataFrame(rows, ["hour", *COLUMNS[2:]], orient="row")
    times = (probe_start(candle) + pl.col("hour") * candle).cast(TIME)
    return frame.select(pl.lit(name).alias("symbol"), times.alias("open_time"), *COLUMNS[2:])


def _draws(seed: int, rows: int, each: int) -> list[list[int]]:
    """Rows of draws of 24 bits, from Knuth's linear congruential generator."""
    powers = np.cumprod(np.full(rows * each, 6364136223846793005, np.uint64))
    sums = np.cumsum(np.concatenate([np.ones(1, np.uint64), powers[:-1]]), dtype=np.uint64)
    first = np.uint64(seed * 0x9E3779B97F4A7C15 & _MASK)
    drawn: list[list[int]] = ((powers * first + sums * np.uint64(1442695040888963407)) >> 40).reshape(-1, each).tolist()
    return drawn


def _missing(name: str, hour: int, draw: int) -> bool:
    """A lost day, a week lost by one market, an outage over midnight, and single hours here and there."""
    day = hour // 24
    lost = day == LOST_DAY or (name == "LATE" and day in LOST_WEEK)
    return lost or 24 * 90 - 9 <= hour < 24 * 90 + 7 or draw % 1409 == 0
