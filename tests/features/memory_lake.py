"""The tables of the graph in memory: what a real lake does, without files."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

import polars as pl

from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.known.history import VERSION, FittedVersion, History, Versions
from crypto_features.shipped import catalog as shipped
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.months import months_between
from crypto_features.tables.node import Node, node_of
from crypto_features.tables.read import Terms
from crypto_features.tables.table import Table
from crypto_features.training.rows import training_node
from crypto_features.versions.definition import table_definitions
from crypto_features.versions.fingerprint import table_fingerprints
from crypto_features.versions.forecast import make_plan
from crypto_features.versions.plan import Plan, Published, Reason, Settled, Stale
from crypto_features.versions.provenance import FINGERPRINTS, column_digests, input_digest, partition_metadata
from tests.features.markets import HOUR

Key = tuple[str, str]


@cache
def behaviour(catalog: Catalog) -> Mapping[str, Mapping[str, str]]:
    """The version of each column of a catalog, by table."""
    return table_fingerprints(catalog)


@cache
def defined(catalog: Catalog) -> Mapping[str, Mapping[str, str]]:
    """The definition of each column of a catalog, by table."""
    return table_definitions(catalog)


class MemoryLake:
    """Partitions by asset and month, with the notes that a real lake keeps in its files.

    A further raw table has the rows that stand for its own, made from the candles, each known when its candle was.

    Args:
        candles: The candles of now.
        catalog: The tables.
    """

    def __init__(self, candles: pl.DataFrame, catalog: Catalog = shipped) -> None:
        self.candles, self.catalog = candles, catalog
        self.raw: pl.DataFrame | None = None
        """Every version of the candles with `known_at`; by default each candle was known at its close."""
        self.clock: datetime | None = None
        self.replaced: Mapping[str, Table] = {}
        """Tables that are computed in place of those of the catalog, by name."""
        self.versions: Mapping[str, Mapping[str, str]] = behaviour(catalog)
        self.definitions: Mapping[str, Mapping[str, str]] = defined(catalog)
        self.frames: dict[Key, pl.DataFrame] = {}
        self.notes: dict[str, dict[str, dict[str, str]]] = {}

    def copy(self) -> "MemoryLake":
        """A lake that can be changed without changing this one."""
        other = self._without_tables()
        other.frames = dict(self.frames)
        other.notes = {asset: {m: dict(note) for m, note in months.items()} for asset, months in self.notes.items()}
        return other

    def full_build(self) -> "MemoryLake":
        """What a build from nothing gives: from the candles of now, and the facts that were published."""
        other = self._without_tables()
        for node in other.graph:
            for month in self.notes.get(node.name, {}) if node.fact else ():
                if (node.name, month) in self.frames and self._stays(node, month):
                    other.frames[node.name, month] = self.frames[node.name, month]
                    other.notes.setdefault(node.name, {})[month] = self.notes[node.name][month]
        other.build()
        return other

    @property
    def graph(self) -> tuple[Node, ...]:
        terms = Terms(HOUR, self.now, HOUR, MIN_COMPLETENESS)
        tables = (self.replaced.get(table.name, table) for table in self.catalog.computed)
        code = {"versions": self.versions, "definitions": self.definitions}
        computed = (node_of(table, **code, terms=terms) for table in tables)
        sets = self.catalog.training
        return (*computed, *(training_node(one, self.catalog, self.past, **code, interval=HOUR) for one in sets))

    def past(self) -> History:
        """Every version of what the tables are computed from."""
        known = self.candles.with_columns(known_at=pl.col("open_time") + HOUR) if self.raw is None else self.raw
        known = known.sort("symbol", "open_time", "known_at")
        first = dict(known.group_by("symbol").agg(pl.col("known_at").min()).iter_rows())
        raws = {name: (_versions(self._rows_of(name, known)), first) for name in self.catalog.raws}
        fitted: dict[str, dict[str, list[FittedVersion]]] = {name: {} for name in self.catalog.models}
        for (asset, month), frame in self.frames.items():
            if asset in fitted:
                version, parameters = frame.select("version", "parameters").row(0)
                fitted[asset][month] = [FittedVersion(version, datetime.min.replace(tzinfo=UTC), parameters)]
        return History(self.read, raws, fitted, self.catalog, HOUR, HOUR)

    @property
    def now(self) -> datetime:
        return self.clock or self._span[1]

    @property
    def months(self) -> tuple[str, ...]:
        return months_between(*self._span)

    @property
    def _span(self) -> tuple[datetime, datetime]:
        first, last = self.candles["open_time"].min(), self.candles["open_time"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        return first, last + HOUR

    def _without_tables(self) -> "MemoryLake":
        other = type(self)(self.candles, self.catalog)
        other.raw, other.clock = self.raw, self.clock
        other.replaced, other.versions, other.definitions = self.replaced, self.versions, self.definitions
        return other

    def build(self, wanted: Iterable[Key] | None = None) -> None:
        """Compute and publish partitions, all by default, upstream first."""
        chosen = set(wanted) if wanted is not None else None
        for node in self.graph:
            for month in self.months:
                if (chosen is None or (node.name, month) in chosen) and not self._stays(node, month):
                    self._publish(node, month)

    def plan(self, *, exact: bool = False) -> set[Key]:
        """The partitions that are stale now."""
        return {(item.asset, item.partition) for item in self.stale(exact=exact)}

    def stale(self, *, exact: bool = False) -> tuple[Stale, ...]:
        return self.whole_plan(exact=exact).stale

    def whole_plan(self, *, exact: bool = False) -> Plan:
        """The plan, and what is settled."""
        confirm = frozenset(Reason if exact else ())
        return make_plan(self.graph, self.published(), self.read, now=self.now, confirm=confirm)

    def published(self) -> Published:
        digests = {raw: {month: self._raw_digest(raw, month) for month in self.months} for raw in self.catalog.raws}
        for name in self.catalog.models:
            digests[name] = {m: frame["version"][0] for (asset, m), frame in self.frames.items() if asset == name}
        return Published(self.notes, digests)

    def renote(self, settled: Iterable[Settled]) -> None:
        """Renew the notes of partitions that hold what they should."""
        for item in settled:
            before = self.notes[item.asset][item.partition]
            kept = {name: note for name, note in before.items() if name != WAITS_UNTIL}
            self.notes[item.asset][item.partition] = kept | dict(item.notes)

    def read(
        self, table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        raw = table in self.catalog.raws
        found = [self._raw_month(table, m) if raw else self.frames.get((table, m)) for m in months]
        frame = pl.concat([f for f in found if f is not None] or [self._empty(table)])
        if symbols is not None and frame.width:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        return frame if columns is None else frame.select(name for name in columns if name in frame.columns)

    def digests(self) -> dict[Key, Mapping[str, str]]:
        """Content of every partition, to the bit."""
        return {key: column_digests(frame) for key, frame in self.frames.items() if frame.height}

    def _empty(self, table: str) -> pl.DataFrame:
        return next((f.clear() for (asset, _), f in self.frames.items() if asset == table), pl.DataFrame())

    def _rows_of(self, name: str, candles: pl.DataFrame) -> pl.DataFrame:
        """The candles, or the rows of a further raw table that they stand for; each with its candle's `known_at`."""
        if name == self.catalog.raw.name:
            return candles
        raw = self.catalog.raws[name]
        if "known_at" not in candles.columns:
            return raw.stand_in(candles, HOUR)
        versions = candles.partition_by("known_at", as_dict=True, maintain_order=True)
        return pl.concat(raw.stand_in(part, HOUR).with_columns(known_at=pl.lit(at)) for (at,), part in versions.items())

    def _raw_month(self, name: str, month: str) -> pl.DataFrame:
        return _of_month(self._rows_of(name, self.candles), month).sort("symbol", "open_time")

    def _raw_digest(self, name: str, month: str) -> str:
        rows = self._rows_of(name, self.candles if self.raw is None else self.raw)
        return input_digest(column_digests(_of_month(rows, month).sort("symbol", "open_time", maintain_order=True)))

    def _publish(self, node: Node, month: str) -> None:
        digests = {}
        for read in node.inputs:
            covered = [m for m in self.months if read.covers(month, m)]
            raw = read.table in self.catalog.raws
            there = [m for m in covered if raw or (read.table, m) in self.frames]
            digests[read.table] = {m: self._digest(read.table, m, read.columns) for m in there}
        frame = node.compute(self.read, month, None)
        if frame.is_empty() and (node.name, month) not in self.frames:
            return
        self.frames[node.name, month] = frame
        described = pl.DataFrame() if node.fact else frame
        note = partition_metadata(described, node.fingerprints, digests, node.definitions)
        due = node.due(self.read, month) if node.due else None
        self.notes.setdefault(node.name, {})[month] = note | ({WAITS_UNTIL: due.isoformat()} if due else {})

    def _digest(self, table: str, month: str, columns: Sequence[str] | None) -> str:
        if table in self.catalog.raws:
            return self._raw_digest(table, month)
        frame = self.frames[table, month]
        model = table in self.catalog.models
        return frame["version"][0] if model else input_digest(column_digests(frame), columns)

    def _stays(self, node: Node, month: str) -> bool:
        """A fact that was published by the present code."""
        noted = self.notes.get(node.name, {}).get(month, {}).get(FINGERPRINTS)
        return node.fact and noted is not None and json.loads(noted) == node.fingerprints


def _of_month(rows: pl.DataFrame, month: str) -> pl.DataFrame:
    return rows.filter(pl.col("open_time").dt.strftime("%Y-%m") == month)


def _versions(rows: pl.DataFrame) -> Versions:
    """What reads every version of some raw rows."""

    def versions(months: Sequence[str], columns: Sequence[str] | None, symbols: Collection[str]) -> pl.DataFrame:
        month = pl.col("open_time").dt.strftime("%Y-%m")
        found = rows.filter(month.is_in(list(months)), pl.col("symbol").is_in(list(symbols)))
        return found.sort(*VERSION) if columns is None else found.sort(*VERSION).select(columns)

    return versions
