"""Features that remember, with or without a shift at the end."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2021, 1, 1, tzinfo=UTC)


def remembering(
    features: int,
    *,
    time: float,
    together: float,
    shift: float = 0.0,
    shifted: int = 30,
    symbols: int = 8,
    seed: int = 0,
) -> pl.DataFrame:
    """Three years of daily values of standard deviation 1, autoregressive of order 1.

    Args:
        features: Columns, each independent of the others.
        time: Their autocorrelation time in values: (1 + φ) / (1 − φ).
        together: The correlation of two symbols.
        shift: Standard deviations by which the newest values are higher.
        shifted: How many of the newest values.
        symbols: Number of symbols.
        seed: Seed of the random numbers.
    """
    rng, bars = np.random.default_rng(seed), 1095
    memory = (time - 1) / (time + 1)
    state = np.zeros((features, symbols))
    values = np.empty((bars, features, symbols))
    for bar in range(-int(5 * time), bars):
        common, own = rng.standard_normal((features, 1)), rng.standard_normal((features, symbols))
        state = memory * state + np.sqrt(1 - memory**2) * (np.sqrt(together) * common + np.sqrt(1 - together) * own)
        if bar >= 0:
            values[bar] = state
    if shift:
        values[-shifted:] += shift
    times = [START + (bar + 1) * timedelta(days=1) for bar in range(bars)]
    columns = {f"f{number}": values[:, number].T.ravel() for number in range(features)}
    keys = {"symbol": np.repeat([f"S{number}" for number in range(symbols)], bars), "event_timestamp": times * symbols}
    return pl.DataFrame({**keys, **columns}).with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC")))
