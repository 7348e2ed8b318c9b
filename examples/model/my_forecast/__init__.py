"""A gradient boosting that is fitted month by month, walking forward, and its forecast as a feature."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl

import crypto_features as cf
from my_forecast.trees import boosted, forecast

AHEAD = timedelta(days=5)
"""What is forecast: the return over five days."""
FEWEST = 500
"""Rows with a known outcome, from which a fit is tried."""
TRAITS = ("return_1d", "return_5d", "trend_20d", "rsi_14", "range_5d", "volume_5d")

candles = cf.RawTable("candles")
days = cf.Bars("days", of=candles, every="1d", description="Days.")
volume_5d = cf.window_mean(cf.VOLUME, 5) / cf.window_mean(cf.VOLUME, 20)
traits = cf.FeatureGroup(
    "traits",
    "What the forecast is made from.",
    bars=days,
    features=[
        cf.Feature("return_1d", cf.price_return(1), "Close over that of a day before, − 1.", "ratio", window=2),
        cf.Feature("return_5d", cf.price_return(5), "Close over that of 5 days before, − 1.", "ratio", window=6),
        cf.Feature(
            "trend_20d", cf.CLOSE / cf.window_mean(cf.CLOSE, 20) - 1, "Close over its mean, − 1.", "ratio", window=20
        ),
        cf.Feature("rsi_14", cf.rsi(14), "Wilder's relative strength.", "0 to 100", window=527, warm_up=15),
        cf.Feature("range_5d", cf.window_mean((cf.HIGH - cf.LOW) / cf.CLOSE, 5), "Mean range.", "ratio", window=5),
        cf.Feature("volume_5d", volume_5d, "Volume of 5 days over that of 20.", "ratio", window=20),
    ],
)


def fit(rows: pl.DataFrame, _month: str) -> cf.Parameters:
    """The trees for a month, from its rows whose outcome was known before it began.

    The outcome of a row is the `return_5d` of its symbol five days later. `rows` end with the month's begin, so the
    rows of the last five days have none and are left out. Of too few rows nothing is fitted.
    """
    later = rows.select("symbol", pl.col("event_timestamp") - AHEAD, outcome="return_5d")
    known = rows.join(later, on=["symbol", "event_timestamp"]).drop_nulls("outcome").sort("symbol", "event_timestamp")
    if known.height < FEWEST:
        return {"rows": known.height}
    return {"rows": known.height, **boosted(numbers(known), known["outcome"].to_numpy())}


def numbers(rows: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """The traits, `(rows, traits)`; NaN where null."""
    return rows.select(pl.col(TRAITS).fill_null(np.nan)).to_numpy().reshape(-1, len(TRAITS))


forecaster = cf.FittedModel(
    "forecaster",
    of=traits,
    features=TRAITS,
    lookback="1461d",
    fit=fit,
    description="Gradient boosting of the return over the next five days.",
    about={"features": TRAITS},
)


def forecasts(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The forecast of each row by the trees of its own month."""
    return cf.by_month(inputs["traits"], inputs["forecaster"], read)


def read(rows: pl.DataFrame, parameters: cf.Parameters) -> pl.DataFrame:
    """The forecast of rows; null without trees, and where a trait is unknown."""
    found = forecast(dict(parameters), numbers(rows)) if "roots" in parameters else np.full(rows.height, np.nan)
    known = pl.all_horizontal(pl.col(TRAITS).is_not_null())
    value = pl.when(known).then(pl.Series(found, dtype=pl.Float64).fill_nan(None))
    return rows.select("symbol", "event_timestamp", forecast_5d=value)


outlook = cf.FeatureGroup(
    "outlook",
    "What the model expects.",
    bars=traits,
    joins=[cf.Join(forecaster, "1d")],
    ttl="1d",
    features=[
        cf.Feature(
            "forecast_5d",
            None,
            "Forecast of the return over the next five days, by the model that was fitted before the month.",
            "ratio",
            window=527,
            warm_up=20,
            sources=(*(("traits", name) for name in TRAITS), ("forecaster", "parameters")),
        )
    ],
    function=forecasts,
)
outlook_v1 = cf.FeatureService(
    "outlook_v1", "What the desk reads.", {"outlook": ("forecast_5d",), "traits": ("rsi_14",)}
)
traits_v1 = cf.FeatureService(
    "traits_v1", "What the model beside the graph is trained on and given.", {"traits": TRAITS}
)
catalog = cf.Catalog(
    outlook, cf.TrainingSet(outlook_v1, rows=days), cf.TrainingSet(traits_v1, rows=days), project="my_forecast"
)
