"""Every table that a group reads, derived from candles alone: for probes, tests and notebooks, without a lake."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from crypto_features.features.declaration import FeatureGroup
from crypto_features.features.months import months_between
from crypto_features.features.partition import DAY, compute_partition, evaluate
from crypto_features.features.regime_model import regime_models
from crypto_features.features.registry import GROUPS
from crypto_features.features.resample import resample


def tables(
    group: FeatureGroup,
    candles: pl.DataFrame,
    *,
    interval: timedelta,
    given: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, pl.DataFrame]:
    """The input tables of a group, and what they are computed from in turn.

    Args:
        group: The group whose inputs are wanted.
        candles: `symbol, open_time, open, high, low, close, volume`.
        interval: Length of a candle.
        given: Tables that are taken as they are.
    """
    found = {"candles": candles, **(given or {})}
    for source in group.inputs:
        if source.table in found:
            continue
        if source.table == "daily_candles":
            found[source.table] = resample(candles, interval, DAY)
        elif source.table == "regime_model":
            found = {**tables(GROUPS["price_features"], candles, interval=interval, given=found), **found}
            found.setdefault("price_features", every_row(GROUPS["price_features"], found, interval=interval))
            found[source.table] = regime_models(found["price_features"])
        else:
            upstream = GROUPS[source.table]
            found = {**tables(upstream, candles, interval=interval, given=found), **found}
            found[source.table] = every_row(upstream, found, interval=interval)
    return found


def every_row(group: FeatureGroup, inputs: Mapping[str, pl.DataFrame], *, interval: timedelta) -> pl.DataFrame:
    """A group's rows over all its bars: expressions at once, a function month by month with each month's own model."""
    if group.function is None:
        return evaluate(group, inputs, interval=interval)
    bars = inputs[group.inputs[0].table]
    time = "event_timestamp" if "event_timestamp" in bars.columns else "open_time"
    months = months_between(bars[time].min(), bars[time].max() + interval)  # type: ignore[operator, arg-type] # times
    return pl.concat(compute_partition(group, inputs, month, interval=interval) for month in months)
