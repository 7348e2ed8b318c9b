"""Every table that a group reads, derived from candles alone: for probes, tests and notebooks, without a lake."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl

from crypto_features.compute.resample import resample
from crypto_features.shipped.regime_model import ULTRA_5, regime_models
from crypto_features.shipped.registry import GROUPS
from crypto_features.tables.declaration import FeatureGroup
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import DAY, compute_partition, evaluate


def tables(
    group: FeatureGroup,
    candles: pl.DataFrame,
    *,
    interval: timedelta,
    given: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, pl.DataFrame]:
    """The input tables of a group, and what they are computed from in turn.

    Args:
        group: The group whose inputs are wanted: of another group, the features that it reads.
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
            found = {**tables(ULTRA_5_FEATURES, candles, interval=interval, given=found), **found}
            found.setdefault("price_features", every_row(ULTRA_5_FEATURES, found, interval=interval))
            found[source.table] = regime_models(found["price_features"])
        else:
            upstream = only(GROUPS[source.table], columns_read(group, source.table))
            found = {**tables(upstream, candles, interval=interval, given=found), **found}
            found[source.table] = every_row(upstream, found, interval=interval)
    return found


def only(group: FeatureGroup, names: Iterable[str]) -> FeatureGroup:
    """The group with those of its features, and the features that these read."""
    if group.function is not None:
        return group
    read = {f.name: f.expression.meta.root_names() for f in group.features if f.expression is not None}
    wanted: set[str] = set()
    more = set(names)
    while more:
        wanted |= more
        more = {root for name in more for root in read.get(name, ())} - wanted
    return replace(group, features=tuple(f for f in group.features if f.name in wanted))


def every_row(
    group: FeatureGroup,
    inputs: Mapping[str, pl.DataFrame],
    *,
    interval: timedelta,
    months: Sequence[str] | None = None,
) -> pl.DataFrame:
    """A group's rows over all its bars: expressions at once, a function month by month, of these months only."""
    if group.function is None:
        return evaluate(group, inputs, interval=interval)
    bars = inputs[group.inputs[0].table]
    time = bars["event_timestamp" if "event_timestamp" in bars.columns else "open_time"]
    own = months_between(time.min(), time.max() + interval)  # type: ignore[operator, arg-type] # times
    wanted = own if months is None else [month for month in own if month in months]
    return pl.concat(compute_partition(group, inputs, month, interval=interval) for month in wanted)


ULTRA_5_FEATURES = only(GROUPS["price_features"], ULTRA_5)
"""The price features that the regime model reads."""
