"""Made panels: closes of symbols that wander at random, and values beside them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAY = timedelta(days=1)
START = datetime(2023, 1, 1, tzinfo=UTC)


def rows(matrix: NDArray[np.float64], column: str) -> pl.DataFrame:
    """A row for each value of a matrix of days by symbols; none where it is NaN."""
    days, symbols = matrix.shape
    times = pl.datetime_range(START, START + (days - 1) * DAY, "1d", time_unit="us", eager=True)
    names = [f"S{number:03}" for number in range(symbols)]
    return pl.DataFrame(
        {
            "symbol": pl.Series(names * days, dtype=pl.String),
            "event_timestamp": times.gather(np.repeat(np.arange(days), symbols)),
            column: pl.Series(matrix.ravel(), dtype=pl.Float64),
        }
    ).filter(pl.col(column).is_not_nan())


def wander(seed: int, days: int, symbols: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Closes, and the log return from each to the next."""
    moves = np.random.default_rng(seed).standard_normal((days, symbols)) * 0.02
    closes = 100 * np.exp(np.vstack([np.zeros((1, symbols)), moves[:-1].cumsum(axis=0)]))
    return closes, moves


def drifting(rng: np.random.Generator, days: int, symbols: int, keeps: float) -> NDArray[np.float64]:
    """Noise that keeps a share of what it was a day before."""
    values = rng.standard_normal((days, symbols))
    for day in range(1, days):
        values[day] = keeps * values[day - 1] + np.sqrt(1 - keeps**2) * values[day]
    return values
