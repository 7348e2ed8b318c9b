"""The probe market: a fixed market on which behaviour is measured, made from integers alone.

Whole-number arithmetic gives the same candles on every machine and Python, with no random number library. It has what
breaks features: gaps, a missing day, hours without volume, wicks, a flat stretch, tiny and huge prices, a late listing.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import polars as pl

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 130
"""Days on which fingerprints are measured."""

SILENT = 57
"""Day until which the flat stretch is without volume; after it, volume is traded at an unchanged price."""

_MASK = (1 << 64) - 1
_SYMBOLS = {
    "HUGE": (98_765_43210, 10**5, 0),
    "TINY": (1_234_567, 10**11, 0),
    "LATE": (31_415, 10**3, 33),
    "FLAT": (10_007, 10**4, 0),
}
"""First price and how many units make one quote currency, and the day of listing."""


@lru_cache(maxsize=2)
def probe_market(days: int = DAYS) -> pl.DataFrame:
    """Hourly candles of four symbols: `symbol, open_time, open, high, low, close, volume`."""
    parts = [_symbol(name, seed, days) for seed, name in enumerate(_SYMBOLS, start=1)]
    return pl.concat(parts).sort("symbol", "open_time")


def _symbol(name: str, seed: int, days: int) -> pl.DataFrame:
    price, units, listed = _SYMBOLS[name]
    state, drift, rows = seed * 0x9E3779B97F4A7C15 & _MASK, 0, []
    for hour in range(days * 24):
        draws = []
        for _ in range(5):
            state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
            draws.append(state >> 40)
        day, flat = hour // 24, name == "FLAT" and 40 <= hour // 24 < 75  # noqa: PLR2004 - a stretch without trades.
        drift = (0, 60, -70, 20, -40)[(day // 13 + seed) % 5]
        step = 0 if flat else drift + draws[0] % 1601 - 800
        opened, price = price, max(price + price * step // 100_000, 1000)
        high = max(opened, price) + (0 if flat else price * (draws[1] % 500) // 100_000)
        low = min(opened, price) - (0 if flat else price * (draws[2] % 500) // 100_000)
        if draws[3] % 1013 == 0:
            low = low // 3
        volume = 0 if (flat and day < SILENT) or draws[3] % 53 == 0 else 1 + draws[4] % 1_000_000
        if day >= listed and not _missing(hour, draws[3]):
            time = START + hour * HOUR
            rows.append((name, time, opened / units, high / units, low / units, price / units, volume / 64))
    columns = ["symbol", "open_time", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, columns, orient="row").with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))


def _missing(hour: int, draw: int) -> bool:
    """A lost day, an outage over midnight, and single hours here and there."""
    return hour // 24 == 55 or 24 * 90 - 9 <= hour < 24 * 90 + 7 or draw % 1409 == 0  # noqa: PLR2004 - where they lie.
