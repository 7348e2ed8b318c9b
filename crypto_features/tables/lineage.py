"""Which columns of which tables each feature is computed from, read off its declaration."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.tables.completeness import COMPLETENESS

if TYPE_CHECKING:  # a group computes itself by this module.
    from crypto_features.tables.group import FeatureGroup

ROW_COLUMNS = ("symbol", "open_time", "event_timestamp", "month")
"""Columns that say which row it is; each table has some of them, and no feature is named so."""


@lru_cache(maxsize=256)
def lineage(group: "FeatureGroup") -> Mapping[str, tuple[tuple[str, str], ...]]:
    """For each feature, the `(table, column)` pairs that its value depends on, in order of first use.

    >>> from crypto_features.shipped import price_features
    >>> lineage(price_features)["bb_position"]
    (('daily_candles', 'close'),)
    """
    deciding = () if group.universe is None else group.universe.meta.root_names()
    chosen = [pair for root in deciding if root not in ROW_COLUMNS for pair in _columns(group, root)]
    return {feature.name: tuple(dict.fromkeys([*_sources(group, feature.name), *chosen])) for feature in group.features}


def columns_read(group: "FeatureGroup", table: str) -> tuple[str, ...]:
    """The columns of an input table that reach a feature of the group, its keys and `completeness` included."""
    used = {column for sources in lineage(group).values() for name, column in sources if name == table}
    return (*ROW_COLUMNS, *sorted(used | {COMPLETENESS}))


def _sources(group: "FeatureGroup", name: str) -> Iterator[tuple[str, str]]:
    feature = group.feature(name)
    if feature.expression is None:
        yield from feature.sources
        return
    others = {other.name for other in group.features} - {name}
    for root in feature.expression.meta.root_names():
        if root in others:
            yield from _sources(group, root)
        elif root not in ROW_COLUMNS:
            yield from _columns(group, root)


def _columns(group: "FeatureGroup", root: str) -> Iterator[tuple[str, str]]:
    """The table's own columns behind the name by which an expression reads one."""
    first, *joined = group.inputs
    table, _, column = root.rpartition(".")
    source = next((i for i in joined if i.name == table), first)
    computed: pl.Expr | None = source.columns.get(column or root)
    for name in computed.meta.root_names() if computed is not None else [column]:
        if name not in ROW_COLUMNS:
            yield source.table.name, name
