"""The tables that are computed, as the plan sees them: what each reads, and how one month of it is computed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

import polars as pl

from crypto_features.compute.resample import resample, waits_until
from crypto_features.shipped.regime_model import LOOKBACK, ULTRA_5, regime_models
from crypto_features.tables.completeness import COMPLETENESS, MIN_COMPLETENESS
from crypto_features.tables.declaration import FeatureGroup
from crypto_features.tables.lineage import columns_read, lineage
from crypto_features.tables.months import month_of, month_span, months_between
from crypto_features.tables.partition import DAY, compute_partition

RAW = "candles"
DAILY = "daily_candles"
MODEL = "regime_model"
MODEL_READS = ("symbol", "event_timestamp", *ULTRA_5)
"""The columns of `price_features` that a fit reads."""

Versions = Mapping[str, Mapping[str, str]]
"""By table, something of each column."""


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

    def rows(self, read: "Reader", month: str, symbols: Sequence[str] | None) -> pl.DataFrame:
        """The rows that computing a month reads."""
        start, end = month_span(month)
        months = [other for other in months_between(start - self.lookback, end) if self.covers(month, other)]
        return read(self.table, months, self.columns, symbols)

    def touches(self, columns: Collection[str] | None) -> bool:
        """Whether it reads one of these columns; `None` are all."""
        return columns is None or self.columns is None or not set(self.columns).isdisjoint(columns)


@cache
def _earliest(month: str, lookback: timedelta) -> str:
    return month_of(month_span(month)[0] - lookback)


Reader = Callable[[str, Sequence[str], Sequence[str] | None, Sequence[str] | None], pl.DataFrame]
"""`read(table, months, columns, symbols)`: rows of published months; `None` means all. Of candles the current ones, of
a fitted model one row per month. What is not published has no rows."""
Compute = Callable[[Reader, str, Sequence[str] | None], pl.DataFrame]
"""`compute(read, month, symbols)`: the rows of a month, of some symbols or of all."""


@dataclass(frozen=True)
class Node:
    """A table of the graph, as the plan sees it.

    Args:
        name: Name of the asset.
        inputs: What it reads; the first gives its bars.
        compute: Computes one month.
        fingerprints: The behaviour of each column.
        definitions: The definition of each column, where it has one of its own.
        sources: By column, the `(table, column)` pairs that it is computed from.
        fact: Whether a partition stays as it was published when its inputs change, as a fitted model does.
        by_symbol: Whether the rows of a symbol can be computed without those of others.
        due: When the same inputs will give a month other rows, because bars are over by then that are waited for now.
    """

    name: str
    inputs: tuple[Read, ...]
    compute: Compute
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    fact: bool = False
    by_symbol: bool = True
    due: Callable[[Reader, str], datetime | None] | None = None

    def reached(self, read: Read, columns: Collection[str] | None) -> set[str]:
        """Its columns that are computed from these columns of an input."""
        return {
            name
            for name, sources in self.sources.items()
            if any(table == read.table and (columns is None or column in columns) for table, column in sources)
        }


def nodes(
    groups: Iterable[FeatureGroup],
    versions: Versions,
    definitions: Versions,
    *,
    interval: timedelta,
    now: datetime,
    wait: timedelta,
    min_completeness: float = MIN_COMPLETENESS,
) -> tuple[Node, ...]:
    """The tables that are computed from candles, each after those that it reads.

    Args:
        groups: The feature groups, each after those that it reads.
        versions: The behaviour of each column of the present code, by table, as `table_fingerprints` gives them.
        definitions: The definition of each column, by table.
        interval: Length of a base candle.
        now: The current time: a day that is not over has no candle yet.
        wait: How long a bar waits for its missing candles.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
    """

    def days(read: Reader, month: str, symbols: Sequence[str] | None) -> pl.DataFrame:
        return resample(read(RAW, [month], None, symbols), interval, DAY, as_of=now, wait=wait)

    def next_day(read: Reader, month: str) -> datetime | None:
        return waits_until(read(RAW, [month], None, None), interval, DAY, as_of=now, wait=wait)

    def fits(read: Reader, month: str, _symbols: Sequence[str] | None) -> pl.DataFrame:
        return regime_models(past.rows(read, month, None), [month])

    def rows_of(group: FeatureGroup, inputs: Sequence[Read]) -> Compute:
        return lambda read, month, symbols: compute_partition(
            group,
            {i.table: i.rows(read, month, symbols) for i in inputs},
            month,
            interval=interval,
            min_completeness=min_completeness,
        )

    past = Read("price_features", LOOKBACK, MODEL_READS, own_month=False)
    candles = {column: ((RAW, "open_time" if column == "completeness" else column),) for column in versions[DAILY]}
    raw = (Read(RAW, timedelta(0)),)
    found = [Node(DAILY, raw, days, versions[DAILY], definitions.get(DAILY, {}), candles, due=next_day)]
    for group in groups:
        if any(source.table == MODEL for source in group.inputs):
            sources = {"parameters": tuple(("price_features", name) for name in ULTRA_5)}
            found.append(
                Node(
                    MODEL,
                    (past,),
                    fits,
                    versions[MODEL],
                    definitions.get(MODEL, {}),
                    sources,
                    fact=True,
                    by_symbol=False,
                )
            )
        inputs = tuple(Read(i.table, i.lookback, columns_read(group, i.table)) for i in group.inputs)
        complete = (group.inputs[0].table, COMPLETENESS)  # by it a value is withheld.
        sources = {name: (*columns, complete) for name, columns in lineage(group).items()}
        described = versions[group.name], definitions.get(group.name, {}), sources
        found.append(Node(group.name, inputs, rows_of(group, inputs), *described))
    return tuple(found)
