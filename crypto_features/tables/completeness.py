"""How complete bars are: one with too many holes has no features, and each value shows the worst bar of its window."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:  # a group computes itself by this module.
    from crypto_features.tables.group import FeatureGroup


COMPLETENESS = "completeness"
"""Column of every feature table: the share, 0 to 1, of its candles that the row's own bar has."""

MIN_COMPLETENESS = 0.75
"""The share below which a bar has no features, unless the setting or the group says otherwise."""


def least(group: "FeatureGroup", default: float = MIN_COMPLETENESS) -> float:
    """The `completeness` that a bar of the group needs for its features to be published."""
    return default if group.completeness is None else group.completeness


def lowest_columns(group: "FeatureGroup") -> Mapping[str, str]:
    """For each feature the column that holds the lowest `completeness` of the bars in its window.

    >>> from crypto_features.shipped import price_features, volume_features
    >>> columns = lowest_columns(price_features)
    >>> columns["ma_20"], columns["stoch_k_14"], lowest_columns(volume_features)["dollar_volume"]
    ('completeness_20', 'completeness_14', 'completeness')
    """
    joins = group.function is None and bool(group.joins)
    return {
        feature.name: COMPLETENESS if feature.window == 1 and not joins else f"{COMPLETENESS}_{feature.window}"
        for feature in group.features
    }


def completeness_columns(group: "FeatureGroup") -> tuple[str, ...]:
    """The columns of `completeness` in the group's table: that of the bar, then the lowest of each window."""
    windows = {feature.window: lowest_columns(group)[feature.name] for feature in group.features}
    return tuple(dict.fromkeys((COMPLETENESS, *(column for _, column in sorted(windows.items())))))


def with_lowest(group: "FeatureGroup", bars: pl.DataFrame) -> pl.DataFrame:
    """Bars by symbol and time, with the lowest `completeness` of each window.

    Joined rows count with their own `completeness`. Bars of which nothing is known are whole.
    """
    own = pl.col(COMPLETENESS) if COMPLETENESS in bars.columns else pl.lit(1.0)
    joined = [name for name in bars.columns if name.endswith(f".{COMPLETENESS}")]
    bars = bars.with_columns(own.fill_null(1.0).cast(pl.Float64).alias(COMPLETENESS))
    worst = pl.min_horizontal(COMPLETENESS, *joined)
    columns = {lowest_columns(group)[feature.name]: feature.window for feature in group.features}
    return bars.with_columns(
        worst.rolling_min(window, min_samples=1).over("symbol").alias(column)
        for column, window in columns.items()
        if column != COMPLETENESS
    )
