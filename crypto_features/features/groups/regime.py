"""Whether a market rises, falls or goes nowhere, as a filtered probability."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import polars as pl

from crypto_features.features.declaration import Feature, FeatureGroup, Input
from crypto_features.features.regime_filter import NAMES, UNKNOWN
from crypto_features.features.regime_model import ULTRA_5, RegimeModel, padded

LONGEST = 365
"""Days beyond which regime_duration is not counted on: the first row of a window must not show in the last."""

_SOURCES = (*(("price_features", name) for name in ULTRA_5), ("regime_model", "parameters"))


def filtered(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Label, probability and duration of each row of `price_features`, by the one model in `regime_model`."""
    rows = inputs["price_features"].sort("symbol", "event_timestamp")
    models = inputs["regime_model"]
    keys = rows.select("symbol", "event_timestamp")
    if keys.is_empty() or models.is_empty():
        return keys
    model = RegimeModel.from_json(models["parameters"][0])
    features = padded(rows)
    posterior = model.probabilities(features)
    best = np.where(np.isfinite(features).all(axis=-1), posterior.argmax(axis=-1), UNKNOWN)
    probability = model.calibrated(posterior.max(axis=-1))
    lengths = rows.group_by("symbol", maintain_order=True).len()["len"]
    own = np.arange(len(best)) < lengths.to_numpy()[:, None]
    labelled = keys.with_columns(
        regime_label=pl.Series(best.T[own]).replace_strict(
            {UNKNOWN: None, **dict(enumerate(NAMES))}, return_dtype=pl.String
        ),
        regime_probability=pl.Series(probability.T[own]),
    ).with_columns(pl.when(pl.col("regime_label").is_not_null()).then("regime_probability").alias("regime_probability"))
    since = pl.col("event_timestamp") - pl.col("event_timestamp").first()
    known = labelled.filter(pl.col("regime_label").is_not_null())
    duration = known.with_columns(
        since.over("symbol", pl.col("regime_label").rle_id().over("symbol"))
        .dt.total_days()
        .clip(upper_bound=LONGEST)
        .alias("regime_duration")
    )
    return labelled.join(
        duration.select("symbol", "event_timestamp", "regime_duration"), on=["symbol", "event_timestamp"], how="left"
    )


regime_features = FeatureGroup(
    name="regime_features",
    description="Market regime by a forward filter anchored to a trend rule; a description of the past, no forecast.",
    interval=timedelta(days=1),
    ttl=timedelta(days=1),
    inputs=(
        Input("price_features", lookback=timedelta(days=500)),
        Input("regime_model", lookback=timedelta(0)),
    ),
    features=(
        Feature(
            "regime_label",
            None,
            "Most probable of BULL, BEAR and SIDEWAYS, given the five features of this and earlier days.",
            "label",
            dtype=pl.String,
            window=60,
            recursive=True,
            sources=_SOURCES,
        ),
        Feature(
            "regime_probability",
            None,
            "Calibrated probability of the label: how often such a label was the trend rule's, on earlier data.",
            "0 to 1",
            window=60,
            recursive=True,
            sources=_SOURCES,
        ),
        Feature(
            "regime_duration",
            None,
            f"Days since the label began; 0 on its first day, and {LONGEST} from then on.",
            "days",
            dtype=pl.Int64,
            window=60,
            recursive=True,
            sources=_SOURCES,
        ),
    ),
    function=filtered,
)
