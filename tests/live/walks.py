"""Minutes of random walks, and what the batch computes from them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl

from crypto_features.live.replay import Stored
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.read import Terms
from tests.market.market import START

MINUTE = timedelta(minutes=1)
BEGIN = START + 60 * MINUTE
"""When a replay begins; what comes before is stored."""
TERMS = Terms(MINUTE, BEGIN, timedelta(hours=1), MIN_COMPLETENESS)


@cache
def walks(symbols: tuple[str, ...], minutes: int, catalog: Catalog, before: timedelta = BEGIN - START) -> Stored:
    """Candles of some time before and so many minutes, of which the minutes are replayed; the tables of the batch."""
    begin = START + before
    end = begin + minutes * MINUTE
    random, times = (
        np.random.default_rng(7),
        pl.datetime_range(START, end, MINUTE, closed="left", time_unit="us", eager=True),
    )
    parts = []
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, len(times))))
        opened, volume = close * (1 + random.normal(0, 0.001, len(times))), random.uniform(1, 9, len(times))
        bodies = np.maximum(opened, close), np.minimum(opened, close)
        columns = {"open": opened, "high": bodies[0] * 1.01, "low": bodies[1] * 0.99, "close": close, "volume": volume}
        parts.append(pl.DataFrame({"symbol": symbol, "open_time": times, **columns, "completeness": 1.0}))
    found = {catalog.raw.name: pl.concat(parts)}
    for table in catalog.computed:
        found[table.name] = table.whole(found, MINUTE)

    def load(table: str, months: Sequence[str]) -> pl.DataFrame:
        assert months
        return found[table]

    candles = found[catalog.raw.name].filter(pl.col("open_time") >= begin)
    return Stored(candles, load, symbols, replace(TERMS, now=begin), end)
