"""Walk-forward figures of the regime: how often a refit changes the past, how long labels last, whether they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from crypto_features.shipped import regime_features, regime_model
from crypto_features.shipped.regime_filter import UNKNOWN, Floats, Labels, rule_labels
from crypto_features.shipped.regime_model import RegimeModel, bars_of_symbols, padded, trend_strength
from crypto_features.tables.artefact import opened
from crypto_features.tables.bars import DAY
from crypto_features.tables.months import month_span
from crypto_features.tables.partition import every_row

BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class RegimeStudy:
    """What a walk through history measured.

    Args:
        changed: By month of a refit, how many labels before the month the new model reads otherwise than the model
            before it, and of how many.
        switches: Changes of label a year and symbol.
        median_days: Median days for which a label lasts.
        reliability: By bin of the published probability: rows, mean probability, share in which the label was the
            rule's.
    """

    changed: Mapping[str, tuple[int, int]]
    switches: float
    median_days: float
    reliability: pl.DataFrame


def study_regime(price_features: pl.DataFrame) -> RegimeStudy:
    """Fit month by month on the past, label as published, and look back.

    Args:
        price_features: Every row of the price features.
    """
    prices = price_features.sort("symbol", "event_timestamp")
    table = regime_model.whole({"price_features": prices}, DAY)
    artefacts = {month: opened(text) for month, text in table.select("month", "parameters").iter_rows()}
    models = {month: RegimeModel.from_parameters(one.parameters) for month, one in artefacts.items()}
    changed = {month: _changed(prices, month, models[before], models[month]) for before, month in pairwise(models)}
    labels = every_row(regime_features, {"price_features": prices, "regime_model": table}, interval=DAY).drop_nulls()
    runs = labels.with_columns(run=pl.col("regime_label").rle_id().over("symbol")).group_by("symbol", "run").len()
    years = labels.height / 365.25
    return RegimeStudy(
        changed=changed,
        switches=(runs.height - labels["symbol"].n_unique()) / years,
        median_days=float(runs["len"].median() or 0),  # type: ignore[arg-type] # a number
        reliability=_reliability(prices, labels),
    )


def _changed(prices: pl.DataFrame, month: str, before: RegimeModel, after: RegimeModel) -> tuple[int, int]:
    features = padded(prices.filter(pl.col("event_timestamp") <= month_span(month)[0]))
    known = np.isfinite(features).all(axis=-1)
    differ = (_labels(before, features) != _labels(after, features)) & known
    return int(differ.sum()), int(known.sum())


def _labels(model: RegimeModel, features: Floats) -> Labels:
    labels: Labels = model.probabilities(features).argmax(axis=-1).astype(np.int8)
    return labels


def _reliability(prices: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The published probability beside how often the published label was the rule's."""
    features = padded(prices)
    rule = rule_labels(trend_strength(features))
    names = pl.Series(rule.T[bars_of_symbols(prices).T]).replace_strict(
        {UNKNOWN: None, 0: "BULL", 1: "BEAR", 2: "SIDEWAYS"}, return_dtype=pl.String
    )
    truth = prices.select("symbol", "event_timestamp").with_columns(rule=names)
    both = labels.join(truth, on=["symbol", "event_timestamp"])
    bins = np.searchsorted(BINS, both["regime_probability"].to_numpy(), side="right")
    return (
        both.with_columns(bin=pl.Series([f"{BINS[i - 1]} to {BINS[i]}" for i in bins]))
        .group_by("bin")
        .agg(
            rows=pl.len(),
            probability=pl.col("regime_probability").mean(),
            right=(pl.col("regime_label") == pl.col("rule")).mean(),
        )
        .sort("probability")
    )
