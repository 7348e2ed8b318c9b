"""How complete bars are: one with too many holes has no features, and each value shows the worst bar of its window."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.tables.reach import beginnings, fits

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
    """For each feature the column that holds the lowest `completeness` of the bars in its warm-up.

    They are those of its window, but of exponential means, which they decide nearly alone.

    >>> from crypto_features.shipped import price_features, volume_features
    >>> columns = lowest_columns(price_features)
    >>> columns["ma_20"], columns["stoch_k_14"], lowest_columns(volume_features)["dollar_volume"]
    ('completeness_20', 'completeness_14', 'completeness')
    """
    joins = group.function is None and bool(group.joins)
    return {
        feature.name: COMPLETENESS if feature.warm_up == 1 and not joins else f"{COMPLETENESS}_{feature.warm_up}"
        for feature in group.features
    }


def completeness_columns(group: "FeatureGroup") -> tuple[str, ...]:
    """The columns of `completeness` in the group's table: that of the bar, then the lowest of each window."""
    windows = {feature.warm_up: lowest_columns(group)[feature.name] for feature in group.features}
    return tuple(dict.fromkeys((COMPLETENESS, *(column for _, column in sorted(windows.items())))))


def with_lowest(group: "FeatureGroup", bars: pl.DataFrame, bar: timedelta) -> pl.DataFrame:
    """Bars, with the lowest `completeness` of each warm-up.

    Joined rows count with their own `completeness`. Bars of which nothing is known are whole.

    Args:
        group: The group.
        bars: The bars, by symbol and `event_timestamp`.
        bar: Length of a bar.
    """
    own = pl.col(COMPLETENESS) if COMPLETENESS in bars.columns else pl.lit(1.0)
    joined = [name for name in bars.columns if name.endswith(f".{COMPLETENESS}")]
    bars = bars.with_columns(own.fill_null(1.0).cast(pl.Float64).alias(COMPLETENESS))
    worst = pl.min_horizontal(COMPLETENESS, *joined)
    columns = {lowest_columns(group)[feature.name]: feature.warm_up for feature in group.features}
    windows = [(column, bars_needed) for column, bars_needed in columns.items() if column != COMPLETENESS]
    if bars.select((worst == 1).all()).item():
        return bars.with_columns(pl.lit(1.0).alias(column) for column, _ in windows)
    spell, time = beginnings(bars, "event_timestamp").cum_sum(), pl.col("event_timestamp")
    lowest = (
        pl.when(fits(time, bars_needed, bar))
        .then(worst.rolling_min(bars_needed, min_samples=1))
        .otherwise(COMPLETENESS)
        .over(spell)
        .alias(column)
        for column, bars_needed in windows
    )
    return bars.with_columns(lowest)
