"""What is stale, and why: declarations and published notes compared, without reading a table.

A month of a table is stale if it was never built, if a feature behaves otherwise than when it was built, or if what it
read has changed since. A change counts by column: a new rsi_14 does not concern a table that reads ma_5.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from functools import cache

from crypto_features.features.completeness import COMPLETENESS
from crypto_features.features.declaration import FeatureGroup
from crypto_features.features.lineage import lineage
from crypto_features.features.months import month_of, month_span
from crypto_features.features.provenance import COLUMNS, FINGERPRINTS, INPUTS, columns_read, input_digest
from crypto_features.features.regime_model import LOOKBACK, ULTRA_5

RAW = "candles"
DAILY = "daily_candles"
MISSING, WITHOUT_NOTES = "missing", "published without notes"
MODEL = "regime_model"
MODEL_READS = ("symbol", "event_timestamp", *ULTRA_5)
"""The columns of `price_features` that a fit reads."""


class Reason(Enum):
    """Why a partition must be computed again."""

    NEVER_BUILT = "never built"
    FEATURE_CHANGED = "feature changed"
    UPSTREAM_CHANGED = "upstream changed"
    INPUT_CORRECTED = "input corrected"


@dataclass(frozen=True)
class Stale:
    """One partition to compute again.

    Args:
        asset: Name of the table, or `regime_model`.
        partition: Its month.
        reason: The first that applies, in the order of `Reason`.
        details: Which feature, which upstream partition, or which candles.
        columns: The columns that may differ; `None` for all.
    """

    asset: str
    partition: str
    reason: Reason
    details: tuple[str, ...]
    columns: frozenset[str] | None = None

    def __str__(self) -> str:
        return f"{self.asset} {self.partition}: {self.reason.value} ({', '.join(self.details)})"


@dataclass(frozen=True)
class Read:
    """What a table reads of another.

    Args:
        table: The other table.
        lookback: How far before the start of a month.
        columns: Which columns; `None` for all.
        own_month: Whether it reads rows of the month itself, or only of those before.
    """

    table: str
    lookback: timedelta
    columns: tuple[str, ...] | None = None
    own_month: bool = True

    def covers(self, month: str, other: str) -> bool:
        """Whether computing `month` reads the partition `other`."""
        return _earliest(month, self.lookback) <= other <= month and (self.own_month or other < month)


@cache
def _earliest(month: str, lookback: timedelta) -> str:
    return month_of(month_span(month)[0] - lookback)


@dataclass(frozen=True)
class Node:
    """A table of the graph, as the plan sees it.

    Args:
        name: Name of the asset.
        inputs: What it reads.
        fingerprints: Of its features.
        sources: By feature, the `(table, column)` pairs that it is computed from.
    """

    name: str
    inputs: tuple[Read, ...]
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


def nodes(groups: Iterable[FeatureGroup], versions: Mapping[str, Mapping[str, str]]) -> tuple[Node, ...]:
    """The tables that are computed, each after those that it reads.

    Args:
        groups: The feature groups, each after those that it reads.
        versions: The version of each column of the present code, by table, as `table_fingerprints` gives them.
    """
    candles = {column: ((RAW, "open_time" if column == "completeness" else column),) for column in versions[DAILY]}
    found = [Node(DAILY, (Read(RAW, timedelta(0)),), versions[DAILY], candles)]
    for group in groups:
        if any(source.table == MODEL for source in group.inputs):
            past = Read("price_features", LOOKBACK, MODEL_READS, own_month=False)
            sources = {"parameters": tuple(("price_features", name) for name in ULTRA_5)}
            found.append(Node(MODEL, (past,), versions[MODEL], sources))
        inputs = tuple(Read(i.table, i.lookback, columns_read(group, i.table)) for i in group.inputs)
        complete = (group.inputs[0].table, COMPLETENESS)  # by it a value is withheld.
        sources = {name: (*columns, complete) for name, columns in lineage(group).items()}
        found.append(Node(group.name, inputs, versions[group.name], sources))
    return tuple(found)


@dataclass(frozen=True)
class Published:
    """What is on disk now.

    Args:
        notes: By asset and month, the metadata it was published with (of a regime model, its notes).
        digests: By asset and month, the digest of the whole content, where the notes do not tell columns apart.
    """

    notes: Mapping[str, Mapping[str, Mapping[str, str]]]
    digests: Mapping[str, Mapping[str, str]]

    def months(self, asset: str) -> Collection[str]:
        """The months that are published."""
        return self.notes.get(asset, {}).keys() | self.digests.get(asset, {}).keys()

    def digest(self, read: Read, month: str) -> str | None:
        """Digest of the columns that are read of a month; `None` if it is not published."""
        note = self.notes.get(read.table, {}).get(month, {})
        columns: dict[str, str] = json.loads(note.get(COLUMNS, "{}"))
        return input_digest(columns, read.columns) if columns else self.digests.get(read.table, {}).get(month)


def plan(
    graph: Iterable[Node],
    published: Published,
    *,
    corrected: Callable[[str, str], tuple[str, ...]] = lambda _asset, _month: (),
) -> tuple[Stale, ...]:
    """Every partition that is stale, upstream and oldest first.

    Args:
        graph: The tables, each after those that it reads.
        published: What is on disk.
        corrected: Names the candles of a month that became known after an asset's month was built.
    """
    return _Plan(published, corrected).stale(graph)


class _Plan:
    def __init__(self, published: Published, corrected: Callable[[str, str], tuple[str, ...]]) -> None:
        self.published, self.corrected = published, corrected
        self.found: dict[tuple[str, str], Stale] = {}
        self.changed: dict[str, set[str]] = {}
        self.digest = cache(published.digest)

    def stale(self, graph: Iterable[Node]) -> tuple[Stale, ...]:
        for node in graph:
            for month in sorted(self.published.months(RAW)):
                verdict = self._verdict(node, month)
                if verdict:
                    self.found[node.name, month] = verdict
        return tuple(self.found.values())

    def _verdict(self, node: Node, month: str) -> Stale | None:
        note = self.published.notes.get(node.name, {}).get(month)
        if not note or INPUTS not in note:
            bars, there = node.inputs[0], month in self.published.months(node.name)
            if not there and bars.own_month and month not in self._months(bars.table):
                return None
            return Stale(node.name, month, Reason.NEVER_BUILT, (WITHOUT_NOTES,) if there else (MISSING,))
        own, inherited = self._behaviour(node, json.loads(note[FINGERPRINTS]))
        self.changed.setdefault(node.name, set()).update(own | inherited)
        candles, upstream, touched = self._inputs(node, month, json.loads(note[INPUTS]))
        affected = None if touched is None else frozenset(own | inherited | touched)
        if own or (inherited and not upstream):  # only computing it renews its note.
            return Stale(node.name, month, Reason.FEATURE_CHANGED, tuple(sorted(own or inherited)), affected)
        if upstream:
            return Stale(node.name, month, Reason.UPSTREAM_CHANGED, tuple(upstream), affected)
        if candles:
            details = tuple(text for m in candles for text in (self.corrected(node.name, m) or (f"candles of {m}",)))
            return Stale(node.name, month, Reason.INPUT_CORRECTED, details, affected)
        return None

    def _behaviour(self, node: Node, before: Mapping[str, str]) -> tuple[set[str], set[str]]:
        """Features that behave otherwise by their own definition, and because of what they read."""
        now = node.fingerprints
        differ = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        inherited = {
            name
            for name in differ & now.keys() & before.keys()
            if any(column in self.changed.get(table, ()) for table, column in node.sources.get(name, ()))
        }
        return differ - inherited, inherited

    def _inputs(
        self, node: Node, month: str, before: Mapping[str, Mapping[str, str]]
    ) -> tuple[list[str], list[str], set[str] | None]:
        """Months of candles and partitions of other tables that changed, and the features that they reach."""
        candles: list[str] = []
        upstream: list[str] = []
        reached: set[str] = set()
        every = False
        for read in node.inputs:
            table, then = read.table, before.get(read.table, {})
            for other in sorted(m for m in self._months(table) | then.keys() if read.covers(month, m)):
                columns = self._input_change(read, other, then.get(other))
                if columns is not None and not columns:
                    continue
                (candles if table == RAW else upstream).append(other if table == RAW else f"{table} {other}")
                hit = {
                    n
                    for n, s in node.sources.items()
                    if any(t == table and (columns is None or c in columns) for t, c in s)
                }
                reached |= hit
                every = every or columns is None
        return candles, upstream, None if every else reached

    def _input_change(self, read: Read, month: str, before: str | None) -> frozenset[str] | None:
        """Which of the columns read have changed in a month: none is an empty set, all is `None`."""
        stale = self.found.get((read.table, month))
        if stale is None or self.digest(read, month) != before:
            return frozenset() if self.digest(read, month) == before else None
        return stale.columns if stale.columns is None else stale.columns & set(read.columns or stale.columns)

    def _months(self, table: str) -> set[str]:
        """Months that are published, or are about to be."""
        return {*self.published.months(table), *(month for asset, month in self.found if asset == table)}
