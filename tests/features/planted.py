"""Groups made for one test."""

import polars as pl

from crypto_features.shipped import daily_candles
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import Compute, FeatureGroup


def daily_feature(expression: pl.Expr, *, window: int = 1, warm_up: int = 0) -> FeatureGroup:
    """A group of one feature of daily candles."""
    feature = Feature("planted", expression, "Made for a test.", "none", window=window, warm_up=warm_up)
    return daily_group(feature)


def daily_features(*features: tuple[str, pl.Expr, int]) -> FeatureGroup:
    """A group of features of daily candles: name, expression and window of each."""
    declared = tuple(Feature(n, e, "Made for a test.", "none", window=window) for n, e, window in features)
    return daily_group(*declared)


def daily_group(*features: Feature, lookback: str = "500d", function: Compute | None = None) -> FeatureGroup:
    """A group of daily candles."""
    return FeatureGroup(
        "planted_features",
        "Made for a test.",
        bars=daily_candles,
        lookback=lookback if function else "0d",
        ttl="1d",
        features=features,
        function=function,
    )
