"""Groups made for one test."""

from datetime import timedelta

import polars as pl

from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup

DAY = timedelta(days=1)


def daily_feature(expression: pl.Expr, *, window: int = 1, recursive: bool = False) -> FeatureGroup:
    """A group of one feature of daily candles."""
    feature = Feature("planted", expression, "Made for a test.", "none", window=window, recursive=recursive)
    inputs = (Input("daily_candles", timedelta(days=500)),)
    return FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, (feature,))


def daily_features(*features: tuple[str, pl.Expr, int]) -> FeatureGroup:
    """A group of features of daily candles: name, expression and window of each."""
    declared = tuple(Feature(n, e, "Made for a test.", "none", window=window) for n, e, window in features)
    inputs = (Input("daily_candles", timedelta(days=500)),)
    return FeatureGroup("planted_features", "Made for a test.", DAY, DAY, inputs, declared)
