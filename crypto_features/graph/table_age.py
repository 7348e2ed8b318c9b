"""Freshness by the newest row, not by the newest run: a backfill of old months makes nothing fresh."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from crypto_features.durations import spoken
from crypto_features.graph.lake import LakeResource
from crypto_features.ingest.silence import declared_ends
from crypto_features.lake.table import Table as Stored
from crypto_features.settings import Settings
from crypto_features.sources.standing import FORGOTTEN
from crypto_features.tables.table import Table

SPARE = timedelta(hours=1)
NAMED = 8
"""Late symbols that are named."""


@dataclass(frozen=True)
class TableAge:
    """How old the newest row of a table is.

    Args:
        table: Its name.
        newest: Close of the last candle that the newest row used.
        age: How long ago that was.
        allowed: From which age on the row is not served, or the next one is overdue.
        late: Newest close of each symbol whose newest row is older than allowed although it is waited for no longer.
    """

    table: str
    newest: datetime
    age: timedelta
    allowed: timedelta
    late: dict[str, datetime]

    @property
    def fresh(self) -> bool:
        """Whether the newest row is young enough, and that of each symbol."""
        return self.age <= self.allowed and not self.late

    @property
    def sentence(self) -> str:
        seen = f"The newest row closed at {self.newest:%Y-%m-%d %H:%M} UTC, {spoken(self.age)} ago"
        return f"{seen}; {spoken(self.allowed)} is allowed.{self.late_sentences}"

    @property
    def late_sentences(self) -> str:
        """A sentence for each late symbol, after a blank, and how many more there are."""
        named = [*self.late.items()][:NAMED]
        more = f" {len(self.late) - NAMED} more symbols are late." if len(self.late) > NAMED else ""
        return "".join(f" {symbol} has none since {time:%Y-%m-%d %H:%M}." for symbol, time in named) + more


def overdue(bar: timedelta, grace: timedelta) -> dg.FreshnessPolicy:
    """Dagster's own policy, which looks at runs: one is overdue an hour after its bar and the grace."""
    return dg.FreshnessPolicy.time_window(fail_window=bar + grace + SPARE, warn_window=bar + grace)


def table_ages(lake: LakeResource, now: datetime, grace: timedelta, tables: Iterable[Table]) -> Iterator[TableAge]:
    for declared in tables:
        table = lake.table(declared.name)
        if table.months():
            yield table_age(table, declared.bar(lake.interval), now, grace)


def judged_age(table: Stored, declared: Table, settings: Settings, now: datetime) -> TableAge:
    """The freshness of one table, from its two newest months, by the settings: whom it waits for, and how long."""
    return table_age(
        table,
        declared.bar(settings.interval),
        now,
        settings.online_grace,
        wait=settings.late_wait,
        excused=declared_ends(settings, now),
        wanted=settings.symbols,
    )


def table_age(
    table: Stored,
    length: timedelta,
    now: datetime,
    grace: timedelta,
    *,
    wait: timedelta = timedelta(0),
    excused: Collection[str] = (),
    wanted: Collection[str] = (),
) -> TableAge:
    """The freshness of one table, from its two newest months.

    Args:
        table: A table with rows.
        length: Length of its bars; a row may be as old as one bar and the grace before the next is overdue.
        now: The current time.
        grace: How long publishing may take.
        wait: How much longer a symbol may be late.
        excused: Symbols that ended: nobody waits for a row of theirs.
        wanted: The symbols whose rows are waited for; by default all others.
    """
    opens = table.time == "open_time"
    rows = (
        table.scan(table.months()[-2:], ["symbol", table.time])
        .group_by("symbol")
        .agg(pl.col(table.time).max())
        .collect()
    )
    closes = {symbol: time + (length if opens else timedelta(0)) for symbol, time in rows.iter_rows()}
    newest, allowed = max(closes.values()), length + grace
    awaited = {*(wanted or closes)} - {*excused}
    overdue = {symbol: now - time for symbol, time in sorted(closes.items()) if symbol in awaited}
    late = {symbol: closes[symbol] for symbol, age in overdue.items() if allowed + wait < age <= FORGOTTEN}
    return TableAge(table.name, newest, now - newest, allowed, late)
