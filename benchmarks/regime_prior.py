"""How the committed prior is made: `python -m benchmarks.regime_prior` prints it.

The rule and the five features are run on driftless random walks with 4 % daily volatility, so the prior knows what the
rule's labels look like, and nothing of any market.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from crypto_features.shipped import price_features, regime_model
from crypto_features.shipped.regime_model import RegimeModel, fit, padded
from crypto_features.tables.artefact import written
from crypto_features.tables.partition import evaluate

_WALKS, _DAYS, _VOLATILITY = 16, 1500, 0.04


def random_walk_prior(seed: int = 20240101) -> RegimeModel:
    """The model fitted on random walks alone."""
    draws = np.random.default_rng(seed).normal(0, _VOLATILITY, (_WALKS, _DAYS, 4)) / 2
    first = datetime(2000, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=i) for i in range(_DAYS)]
    walks = []
    for i, steps in enumerate(draws):
        path = np.exp(steps.ravel().cumsum()).reshape(_DAYS, 4)
        start = np.concatenate([[1.0], path[:-1, -1]])
        extremes = np.column_stack([start, path])
        columns = {"open": start, "high": extremes.max(axis=1), "low": extremes.min(axis=1), "close": path[:, -1]}
        walks.append(pl.DataFrame({"symbol": f"W{i:02}", "open_time": days, **columns}))
    candles = pl.concat(walks).with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))
    rows = evaluate(price_features, {"daily_candles": candles}, interval=timedelta(hours=1))
    return fit(padded(rows), None)


if __name__ == "__main__":
    print(written(random_walk_prior().parameters, regime_model.about), end="")
