"""Which columns of which tables each feature is computed from, read off its declaration."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.tables.completeness import COMPLETENESS

if TYPE_CHECKING:  # a group computes itself by this module.
    from crypto_features.tables.group import FeatureGroup

KEYS = ("symbol", "open_time", "event_timestamp", "month")
"""Columns that say which row it is; each table has some of them, and no feature is named so."""


def lineage(group: "FeatureGroup") -> Mapping[str, tuple[tuple[str, str], ...]]:
    """For each feature, the `(table, column)` pairs that its value depends on, in order of first use.

    >>> from crypto_features.shipped import price_features
    >>> lineage(price_features)["bb_position"]
    (('daily_candles', 'close'),)
    """
    deciding = () if group.universe is None else group.universe.meta.root_names()
    chosen = [pair for root in deciding if root not in KEYS for pair in _columns(group, root)]
    return {feature.name: tuple(dict.fromkeys([*_sources(group, feature.name), *chosen])) for feature in group.features}


def columns_read(group: "FeatureGroup", table: str) -> tuple[str, ...]:
    """The columns of an input table that reach a feature of the group, its keys and `completeness` included."""
    used = {column for sources in lineage(group).values() for name, column in sources if name == table}
    return (*KEYS, *sorted(used | {COMPLETENESS}))


def _sources(group: "FeatureGroup", name: str) -> Iterator[tuple[str, str]]:
    feature = group.feature(name)
    if feature.expression is None:
        yield from feature.sources
        return
    others = {other.name for other in group.features} - {name}
    for root in feature.expression.meta.root_names():
        if root in others:
            yield from _sources(group, root)
        elif root not in KEYS:
            yield from _columns(group, root)


def _columns(group: "FeatureGroup", root: str) -> Iterator[tuple[str, str]]:
    """The table's own columns behind the name by which an expression reads one."""
    first, *joined = group.inputs
    table, _, column = root.rpartition(".")
    source = next((i for i in joined if i.name == table), first)
    computed: pl.Expr | None = source.columns.get(column or root)
    for name in computed.meta.root_names() if computed is not None else [column]:
        if name not in KEYS:
            yield source.table.name, name


def depth(group: "FeatureGroup", join: str) -> tuple[int, timedelta]:
    """How many bars, and how long a time of them, decide the features that read a joined table."""
    window, calendar = 1, timedelta(0)
    for feature in group.features:
        if feature.expression is not None and any(root.startswith(f"{join}.") for root in _roots(group, feature.name)):
            window, calendar = max(window, feature.window), max(calendar, feature.calendar)
    return window, calendar


def _roots(group: "FeatureGroup", name: str) -> Iterator[str]:
    """The columns that a feature's expression reads, and those of the features that it reads."""
    expression = group.feature(name).expression
    others = {other.name for other in group.features} - {name}
    for root in () if expression is None else expression.meta.root_names():
        if root in others:
            yield from _roots(group, root)
        else:
            yield root
