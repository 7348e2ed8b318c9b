"""Every table that a table reads, derived from candles alone: for probes, tests and notebooks, without a lake."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

import polars as pl

from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.model import FittedModel
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table


def inputs_of(
    table: Table, candles: pl.DataFrame, *, interval: timedelta, given: Mapping[str, pl.DataFrame] | None = None
) -> dict[str, pl.DataFrame]:
    """The input tables of a table, and what they are computed from in turn.

    Args:
        table: The table whose inputs are wanted: of a group that it reads, only the features that it reads.
        candles: `symbol, open_time, open, high, low, close, volume`.
        interval: Length of a candle.
        given: Tables that are taken as they are.
    """
    found = dict(given or {})
    _derive(table, found, candles, interval)
    return found


def _derive(table: Table, found: dict[str, pl.DataFrame], candles: pl.DataFrame, interval: timedelta) -> None:
    for source in table.inputs:
        if isinstance(source.table, RawTable):
            found.setdefault(source.table.name, candles)
            continue
        upstream = part_read(table, source.table)
        name = source.table.name
        have = found[name].columns if name in found else []
        if have and {*upstream.columns} <= {*have}:
            continue
        if have and isinstance(source.table, FeatureGroup):
            upstream = only(source.table, {*upstream.columns, *have} & {*source.table.columns})
        _derive(upstream, found, candles, interval)
        found[name] = upstream.whole(found, interval)


def only(group: FeatureGroup, names: Iterable[str]) -> FeatureGroup:
    """The group with those of its features, and the features that these read."""
    if group.function is not None:
        return group
    wanted = closure(
        names, {f.name: f.expression.meta.root_names() for f in group.features if f.expression is not None}
    )
    return replace(group, features=tuple(f for f in group.features if f.name in wanted))


def closure(names: Iterable[str], read: Mapping[str, Iterable[str]]) -> set[str]:
    """The names, and what they read, directly or through others."""
    found: set[str] = set()
    more = set(names)
    while more:
        found |= more
        more = {other for name in more for other in read.get(name, ())} - found
    return found


def part_read(reader: Table, table: Table) -> Table:
    """What a table reads of another: of a group the features that it reads, else all of it."""
    if not isinstance(table, FeatureGroup):
        return table
    if isinstance(reader, FittedModel):
        return only(table, reader.features)
    return only(table, columns_read(reader, table.name)) if isinstance(reader, FeatureGroup) else table
