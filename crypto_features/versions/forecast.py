"""Making the plan: each partition held against what its inputs will be, and computed in memory where these differ."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.node import Node
from crypto_features.tables.read import Read, Reader
from crypto_features.versions.difference import difference
from crypto_features.versions.plan import (
    MISSING,
    WITHOUT_NOTES,
    Plan,
    Published,
    Reason,
    Settled,
    Stale,
    bar_over,
    behaviour,
    is_older,
    noted,
    redefined,
)
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS, INPUTS, STAMPS, column_digests, input_digest

Key = tuple[str, str]
"""A table and a month."""
_UNSURE = frozenset({Reason.DEFINITION_CHANGED, Reason.OLDER_VERSION})
"""Reasons of which values are taken for equal until they are confirmed."""
_CODE = _UNSURE | {Reason.FEATURE_CHANGED}
"""Whoever changes code knows that tables have to be built: they are computed in memory only if that is asked for."""


def make_plan(
    graph: Iterable[Node],
    published: Published,
    read: Reader,
    *,
    now: datetime,
    confirm: frozenset[Reason] = frozenset(),
    refit: str | None = None,
    corrected: Callable[[str, str], tuple[str, ...]] = lambda _asset, _month: (),
) -> Plan:
    """Every partition that a full build would change, upstream and oldest first.

    A full build takes published facts, such as fitted models, as they are.

    Args:
        graph: The tables, each after those that it reads.
        published: The notes of what is on disk.
        read: Reads what is on disk.
        now: The current time.
        confirm: Of the partitions whose code changed, compute those with these reasons in memory and list them only if
            their values differ: `FEATURE_CHANGED`, `DEFINITION_CHANGED`. This takes as long as building them. With
            `LAST_BITS`, list what reads a partition that differs in last bits, too: it changes if that is published.
        refit: List the facts of this month and later, too, if fitting them again gives something else.
        corrected: Names the candles of a month that became known after an asset's month was built.
    """
    forecast = _Forecast(published, read, now, confirm, refit, corrected)
    raw = {read.table for node in graph for read in node.inputs} - {node.name for node in graph}
    months = sorted({month for table in raw for month in published.months(table)})
    for node in graph:
        forecast.nodes[node.name] = node
        for month in months:
            forecast.judge(node, month)
    return Plan(tuple(forecast.stale), tuple(forecast.settled), tuple(forecast.kept))


@dataclass(frozen=True)
class _Change:
    """What a partition will hold that it does not hold now.

    Args:
        symbols: The symbols whose rows will differ; `None` for all.
        columns: The columns that will differ; `None` for all.
        rows: The new rows, of the symbols that were computed; `None` if they are not known before they are built.
        computed: The symbols that were computed; `None` for all.
    """

    symbols: frozenset[str] | None = None
    columns: frozenset[str] | None = None
    rows: pl.DataFrame | None = None
    computed: tuple[str, ...] | None = None

    @property
    def known(self) -> bool:
        return self.rows is not None


@dataclass(frozen=True)
class _Input:
    """A partition that is read and will not be what was noted; the symbols and columns concerned, `None` for all."""

    read: Read
    month: str
    symbols: frozenset[str] | None
    columns: frozenset[str] | None
    known: bool


@dataclass
class _Forecast:
    published: Published
    read: Reader
    now: datetime
    confirm: frozenset[Reason]
    refit: str | None
    corrected: Callable[[str, str], tuple[str, ...]]
    nodes: dict[str, Node] = field(default_factory=dict)
    stale: list[Stale] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    kept: list[Stale] = field(default_factory=list)
    listed: set[Key] = field(default_factory=set)
    missing: set[Key] = field(default_factory=set)
    """Partitions that will be built; what they will hold is computed if a published one depends on it."""
    changes: dict[Key, _Change] = field(default_factory=dict)
    redefined: dict[str, set[str]] = field(default_factory=dict)
    """By table, the columns that behave otherwise than in some published month."""
    digests: dict[tuple[Read, str], str | None] = field(default_factory=dict)

    def judge(self, node: Node, month: str) -> None:
        """List a partition if it is stale, and keep what it will hold for those that read it."""
        note = self.published.notes.get(node.name, {}).get(month)
        if not note or INPUTS not in note:
            self._judge_missing(node, month)
            return
        own, inherited = behaviour(node, note, self.redefined)
        self.redefined.setdefault(node.name, set()).update(own | inherited)
        differing = self._differing(node, month, noted(note, INPUTS))
        verdict = self._verdict(node, note, own, inherited, differing)
        if verdict is None:
            return
        reason, details = verdict
        if node.fact and reason is Reason.OLDER_VERSION:
            self.settled.append(Settled(node.name, month, self._notes(node, month)))
        elif node.fact and not own | inherited and not (self.refit and self.refit <= month):
            self.kept += [Stale(node.name, month, reason, details)]
        elif reason in _CODE - self.confirm or not all(i.known for i in differing):
            if reason not in _UNSURE:
                reached = frozenset(own | inherited).union(*(node.reached(i.read, i.columns) for i in differing))
                every = any(i.columns is None for i in differing)
                self.changes[node.name, month] = _Change(columns=None if every else reached)
            self._list(node, month, reason, details)
        else:
            code = own or inherited or redefined(node, note)
            all_symbols = code or bar_over(note, self.now) or not node.by_symbol
            self._confirm(node, month, None if all_symbols else self._concerned(differing), reason, details)

    def _verdict(
        self, node: Node, note: Mapping[str, str], own: set[str], inherited: set[str], differing: Sequence[_Input]
    ) -> tuple[Reason, tuple[str, ...]] | None:
        """The first reason that applies, and its details."""
        if is_older(note):
            return Reason.OLDER_VERSION, ("its completeness is not stored",)
        upstream = tuple(f"{i.read.table} {i.month}" for i in differing if i.read.table in self.nodes)
        if own or (inherited and not upstream):
            return Reason.FEATURE_CHANGED, tuple(sorted(own or inherited))
        if upstream:
            return Reason.UPSTREAM_CHANGED, upstream
        if differing:
            return Reason.INPUT_CORRECTED, self._candles(node.name, differing)
        if bar_over(note, self.now):
            return Reason.BAR_OVER, ("a bar that lacked candles",)
        edited = redefined(node, note)
        return (Reason.DEFINITION_CHANGED, edited) if edited else None

    def _judge_missing(self, node: Node, month: str) -> None:
        bars, there = node.inputs[0], month in self.published.months(node.name)
        start, end = month_span(month)
        opened = months_between(start - node.early, end)
        if not there and bars.own_month and not any(self._has_rows(bars, other) for other in opened):
            return
        self.missing.add((node.name, month))
        if (node.due or node.early) and not there:
            change = self._change(node.name, month)
            if change is not None and change.rows is not None and change.rows.is_empty():
                self.changes.pop((node.name, month))  # there is nothing to publish yet.
                return
        self._list(node, month, Reason.NEVER_BUILT, (WITHOUT_NOTES,) if there else (MISSING,))

    def _confirm(
        self, node: Node, month: str, symbols: tuple[str, ...] | None, reason: Reason, details: tuple[str, ...]
    ) -> None:
        new = node.compute(self.will_read, month, symbols)
        old = self._published_rows(node.name, month, None, symbols)
        found = difference(new, old)
        if found is None:
            self.settled.append(Settled(node.name, month, self._notes(node, month)))
            return
        if found.only_bits and reason is Reason.DEFINITION_CHANGED:
            reason = Reason.LAST_BITS
        if reason is not Reason.LAST_BITS or reason in self.confirm:
            self.changes[node.name, month] = _Change(found.symbols, found.columns, new, symbols)
        self._list(node, month, reason, self._real(details) if reason is Reason.UPSTREAM_CHANGED else details)

    def _list(self, node: Node, month: str, reason: Reason, details: tuple[str, ...]) -> None:
        inputs = {(i.table, m) for i in node.inputs for m in self._covered(i, month)}
        ready = inputs.isdisjoint(self.listed) and all(self.published.months(i.table) for i in node.inputs)
        self.stale.append(Stale(node.name, month, reason, details, ready))
        self.listed.add((node.name, month))

    def _real(self, details: tuple[str, ...]) -> tuple[str, ...]:
        """The upstream partitions that are stale themselves, if any: what was rebuilt before is not news."""
        return tuple(d for d in details if tuple(d.rsplit(" ", 1)) in self.listed) or details

    def _candles(self, asset: str, differing: Iterable[_Input]) -> tuple[str, ...]:
        return tuple(text for i in differing for text in (self.corrected(asset, i.month) or (f"candles of {i.month}",)))

    def _differing(self, node: Node, month: str, before: Mapping[str, Mapping[str, str]]) -> list[_Input]:
        """What the partition reads that will not be what it noted."""
        found = []
        for read in node.inputs:
            then = before.get(read.table, {})
            for other in sorted(m for m in self._months(read.table) | then.keys() if read.covers(month, m)):
                was, is_now = then.get(other), self.published.digest(read, other)
                change = self._change(read.table, other)
                if change is not None and not change.known:
                    if was != is_now or read.touches(change.columns):
                        found.append(_Input(read, other, None, change.columns, known=False))
                elif self._digest(read, other) != was:
                    seen = change if was == is_now else None  # else it differs by more than the plan's own change.
                    symbols, columns = (seen.symbols, seen.columns) if seen else (None, None)
                    found.append(_Input(read, other, symbols, columns, known=True))
        return found

    def _change(self, table: str, month: str) -> _Change | None:
        """What will change of a partition; a missing one is computed for whoever asks."""
        if (table, month) in self.missing:
            self.missing.discard((table, month))
            node = self.nodes[table]
            known = all(
                change is None or change.known
                for read in node.inputs
                for change in (self._change(read.table, other) for other in self._covered(read, month))
            )
            self.changes[table, month] = _Change(rows=node.compute(self.will_read, month, None) if known else None)
        return self.changes.get((table, month))

    def _digest(self, read: Read, month: str) -> str | None:
        """Digest of the columns that are read, once the plan has run."""
        change = self._change(read.table, month)
        if change is None:
            return self.published.digest(read, month)
        if (read, month) not in self.digests:
            rows = self._rows(read.table, month, None, None)
            model = "version" in rows.columns
            whole = rows["version"][0] if model else input_digest(column_digests(rows), read.columns)
            self.digests[read, month] = whole
        return self.digests[read, month]

    def _notes(self, node: Node, month: str) -> dict[str, str]:
        inputs = {
            read.table: {m: digest for m in self._covered(read, month) if (digest := self._digest(read, m))}
            for read in node.inputs
        }
        origin = {FINGERPRINTS: node.fingerprints, DEFINITIONS: node.definitions, INPUTS: inputs}
        due = node.due(self.will_read, month) if node.due else None
        notes = {key: json.dumps(dict(value), sort_keys=True) for key, value in origin.items()}
        return notes | ({WAITS_UNTIL: due.isoformat()} if due else {})

    def _covered(self, read: Read, month: str) -> list[str]:
        """The months of an input that are read, and will be published."""
        there = self._months(read.table)
        return [m for m in read.months(month) if m in there]

    def _months(self, table: str) -> set[str]:
        """The months of a table that are published, or will be."""
        return {*self.published.months(table), *(m for name, m in (*self.missing, *self.changes) if name == table)}

    def _has_rows(self, read: Read, month: str) -> bool:
        key = (read.table, month)
        if read.table not in self.nodes or key in self.missing:
            return key in self.missing or month in self.published.months(read.table)
        change = self.changes.get(key)
        if change is not None and not change.known:
            return True
        return self._rows(read.table, month, ("symbol",), None).height > 0

    def will_read(
        self, table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        """Rows of months as they will be published: those of today, with what changes in place of what it replaces."""
        parts = [rows for month in months if (rows := self._rows(table, month, columns, symbols)).width]
        filled = [rows for rows in parts if rows.height] or parts[-1:]  # an empty one may be of an earlier schema.
        return pl.concat(filled, how="diagonal_relaxed") if filled else pl.DataFrame()

    def _rows(
        self, table: str, month: str, columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        only = symbols if table not in self.nodes or self.nodes[table].by_symbol else None
        change = self._change(table, month)
        if change is None or change.rows is None:
            return self._published_rows(table, month, columns, only)
        fresh = change.rows if only is None else change.rows.filter(pl.col("symbol").is_in(list(only)))
        if change.computed is not None:
            kept = self._published_rows(table, month, columns, only)
            kept = kept.filter(~pl.col("symbol").is_in(change.computed))
            fresh = pl.concat([kept, fresh.select(kept.columns)], how="vertical_relaxed")
            fresh = fresh.sort([key for key in ("symbol", "open_time", "event_timestamp") if key in fresh.columns])
        return fresh if columns is None else fresh.select(n for n in fresh.columns if n in columns)

    def _published_rows(
        self, table: str, month: str, columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        return self.read(table, [month], columns, symbols).drop(STAMPS, strict=False)

    def _concerned(self, differing: Iterable[_Input]) -> tuple[str, ...] | None:
        """The symbols whose inputs differ; `None` if that is not known, or all of them."""
        found: set[str] = set()
        for item in differing:
            if item.symbols is None or item.read.table not in self.nodes:
                return None
            if item.read.touches(item.columns):
                if not item.symbols.isdisjoint(item.read.shared):
                    return None
                found |= item.symbols
        return tuple(sorted(found))
