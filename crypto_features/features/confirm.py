"""Which predicted changes are real: what a correction can reach is computed in memory and held against what is there.

A corrected candle is within the reach of a year and a half of partitions, but a moving average forgets it after weeks.
Only symbols that changed are computed; what turns out equal is dropped, with all that it would have touched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from crypto_features.features.completeness import MIN_COMPLETENESS
from crypto_features.features.months import month_span, months_between
from crypto_features.features.partition import compute_partition
from crypto_features.features.plan import DAILY, MISSING, MODEL, RAW, Node, Read, Reason, Stale
from crypto_features.features.regime_model import regime_models
from crypto_features.features.registry import GROUPS
from crypto_features.features.resample import AT_ONCE, resample

Reader = Callable[[str, Sequence[str], Sequence[str] | None, Sequence[str] | None], pl.DataFrame]
"""`read(table, months, columns, symbols)`: rows of published months; `None` means all. Of candles the current ones, of
the regime model one row a month. What is not published has no rows."""

_VERSIONS = ("created_timestamp", "known_at")
_MODEL_SYMBOL = "*"


def confirm(
    stale: Iterable[Stale],
    graph: Iterable[Node],
    read: Reader,
    *,
    interval: timedelta,
    now: datetime,
    wait: timedelta = AT_ONCE,
    min_completeness: float = MIN_COMPLETENESS,
    exact: bool = False,
) -> tuple[Stale, ...]:
    """Those of the stale partitions whose content really differs.

    What changed by its own definition, is missing, or depends on such a partition is taken as it is, unless `exact`: it
    has to be computed anyway. The rest, the reach of candles, is computed for the symbols concerned.

    Args:
        stale: What `plan` found.
        graph: The tables, as `plan` saw them.
        read: Reads what is published.
        interval: Length of a base candle.
        now: The current time: a day that is not over has no candle yet.
        wait: How long after the end of a day its late candles are waited for.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
        exact: Compute what new definitions and missing partitions give, too: a new definition may give a month the same
            values. This takes as long as computing those partitions.
    """
    return _Confirmation(
        {node.name: node for node in graph},
        read,
        interval=interval,
        now=now,
        wait=wait,
        min_completeness=min_completeness,
        exact=exact,
    ).kept(stale)


class _Confirmation:
    def __init__(
        self,
        graph: Mapping[str, Node],
        read: Reader,
        *,
        interval: timedelta,
        now: datetime,
        wait: timedelta,
        min_completeness: float,
        exact: bool,
    ) -> None:
        self.graph, self.read, self.interval, self.now, self.wait = graph, read, interval, now, wait
        self.min_completeness, self.exact = min_completeness, exact
        self.certain: set[tuple[str, str]] = set()
        self.changed: dict[tuple[str, str], tuple[pl.DataFrame, frozenset[str], frozenset[str]]] = {}
        """By partition: the new rows of the symbols that changed, which symbols, and which columns."""

    def kept(self, stale: Iterable[Stale]) -> tuple[Stale, ...]:
        return tuple(self._without_dropped(item) for item in stale if self._differs(item))

    def _without_dropped(self, item: Stale) -> Stale:
        """The reason, without the upstream partitions that turned out equal."""
        if item.reason is not Reason.UPSTREAM_CHANGED:
            return item
        real = {f"{table} {month}" for table, month in (*self.changed, *self.certain)}
        return replace(item, details=tuple(d for d in item.details if d in real) or item.details)

    def _differs(self, item: Stale) -> bool:
        key = (item.asset, item.partition)
        if item.reason is Reason.NEVER_BUILT and not self._has_bars(item):
            return False
        redefined = item.reason is Reason.FEATURE_CHANGED
        if not self.exact and (redefined or self._must_be_built(item)):
            self.certain.add(key)
            return True
        symbols = None if redefined or item.reason is Reason.NEVER_BUILT else self._concerned(item)
        if symbols is not None and not symbols:
            return False
        new = self._computed(item, sorted(symbols) if symbols is not None else None)
        old = self.read(item.asset, [item.partition], None, None)
        if symbols is not None and item.asset != MODEL:
            old = old.filter(pl.col("symbol").is_in(sorted(symbols)))
        which, columns = _difference(new, old.drop(_VERSIONS, strict=False) if old.width else new.clear())
        if not which:
            return False
        self.changed[key] = (new, which, columns)
        return True

    def _must_be_built(self, item: Stale) -> bool:
        """Missing, or computed from what is; of a new day's candles it is not known whether the day is over."""
        missing = item.reason is Reason.NEVER_BUILT and item.details == (MISSING,)
        return item.asset != DAILY and (missing or self._depends_on_certain(item))

    def _has_bars(self, item: Stale) -> bool:
        bars = self.graph[item.asset].inputs[0]
        key = (bars.table, item.partition)
        return not bars.own_month or key in self.changed or key in self.certain or self._published_rows(*key) > 0

    def _published_rows(self, table: str, month: str) -> int:
        return self.read(table, [month], None, None).height

    def _depends_on_certain(self, item: Stale) -> bool:
        reads = self.graph[item.asset].inputs
        return any((read.table, m) in self.certain for read in reads for m in self._stale_months(read, item.partition))

    def _stale_months(self, read: Read, month: str) -> list[str]:
        found = {m for table, m in (*self.changed, *self.certain) if table == read.table}
        return sorted(m for m in found if read.covers(month, m))

    def _concerned(self, item: Stale) -> frozenset[str] | None:
        """Symbols whose inputs changed; `None` if that can only be told by computing all."""
        symbols: set[str] = set()
        for read in self.graph[item.asset].inputs:
            if read.table == RAW:
                return None
            for month in self._stale_months(read, item.partition):
                _, which, columns = self.changed[read.table, month]
                if read.columns is None or columns & set(read.columns):
                    symbols |= which
        return None if symbols and (item.asset == MODEL or _MODEL_SYMBOL in symbols) else frozenset(symbols)

    def _computed(self, item: Stale, symbols: list[str] | None) -> pl.DataFrame:
        month = item.partition
        if item.asset == DAILY:
            candles = self.read(RAW, [month], None, symbols).drop(_VERSIONS, strict=False)
            return resample(candles, self.interval, timedelta(days=1), as_of=self.now, wait=self.wait)
        inputs = {read.table: self._input(read, month, symbols) for read in self.graph[item.asset].inputs}
        if item.asset == MODEL:
            return regime_models(inputs["price_features"], [month])
        least = self.min_completeness
        return compute_partition(GROUPS[item.asset], inputs, month, interval=self.interval, min_completeness=least)

    def _input(self, read: Read, month: str, symbols: list[str] | None) -> pl.DataFrame:
        """The published rows, with those of changed partitions in place of what they replace."""
        start, end = month_span(month)
        only = None if read.table == MODEL else symbols
        parts = []
        for other in months_between(start - read.lookback, end):
            if not read.covers(month, other):
                continue
            rows = self.read(read.table, [other], read.columns, only).drop(_VERSIONS, strict=False)
            if (read.table, other) in self.changed:
                new, which, _ = self.changed[read.table, other]
                if read.table == MODEL:
                    rows = new.select(rows.columns)
                else:
                    new = new if only is None else new.filter(pl.col("symbol").is_in(only))
                    kept = rows.filter(~pl.col("symbol").is_in(sorted(which)))
                    fresh = new.filter(pl.col("symbol").is_in(sorted(which)))
                    rows = pl.concat([kept, fresh.select(rows.columns or fresh.columns)], how="diagonal_relaxed")
            parts.append(rows)
        return pl.concat(parts, how="vertical_relaxed")


def _difference(new: pl.DataFrame, old: pl.DataFrame) -> tuple[frozenset[str], frozenset[str]]:
    """Symbols and columns whose rows differ in any bit, or in type."""
    if "parameters" in new.columns:
        same = new["version"].to_list() == old["version"].to_list()
        return (frozenset(), frozenset()) if same else (frozenset({_MODEL_SYMBOL}), frozenset({"parameters"}))
    if retyped := {name for name in new.columns if new.schema[name] != old.schema.get(name)}:
        return frozenset(new["symbol"]), frozenset(retyped)
    keys = ["symbol", "open_time" if "open_time" in new.columns else "event_timestamp"]
    both = new.with_columns(new=True).join(
        old.with_columns(old=True), on=keys, how="full", suffix="_old", coalesce=True
    )
    moved = both.filter(pl.col("new").is_null() | pl.col("old").is_null())["symbol"]
    names = [name for name in new.columns if name not in keys]
    differ = {name: both.filter(pl.col(name).ne_missing(pl.col(f"{name}_old")))["symbol"] for name in names}
    columns = set(new.columns) if len(moved) else {name for name, symbols in differ.items() if len(symbols)}
    return frozenset(moved).union(*differ.values()), frozenset(columns)
