"""One factory a noun for the tests of labels."""

from datetime import timedelta

import numpy as np
import polars as pl

from tests.features.markets import HOUR, START, TIME


def hours(days: int, symbols: int = 3, *, seed: int = 1, sigma: float = 0.02) -> pl.DataFrame:
    """Random hours with holes: of hours, of whole days, and of one month and a half of the last symbol."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(symbols):
        count = 24 * days
        gaps = np.where(rng.random(count) < 0.01, 5, 1) * sigma
        opens = np.exp(np.cumsum(rng.normal(0, gaps)))
        close = opens * np.exp(rng.normal(0, sigma, count))
        high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, sigma, count)))
        low = np.minimum(opens, close) / np.exp(np.abs(rng.normal(0, sigma, count)))
        kept = rng.random(count) > 0.05
        for day in rng.integers(0, days, days // 20):
            kept[24 * day : 24 * day + 24] = False
        if number == symbols - 1:
            kept[24 * days // 2 : 24 * (days // 2 + 45)] = False
        frame = pl.DataFrame(
            {
                "symbol": f"S{number}",
                "open_time": [START + i * HOUR for i in range(count)],
                "open": opens,
                "high": high,
                "low": low,
                "close": close,
                "volume": np.ones(count),
            }
        )
        parts.append(frame.with_columns(pl.col("open_time").cast(TIME)).filter(pl.Series(kept)))
    return pl.concat(parts)


def length(text: str) -> timedelta:
    return {"h": HOUR, "d": 24 * HOUR}[text[-1]] * int(text[:-1])
