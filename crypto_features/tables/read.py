"""What a table reads of another, and on which terms its rows are computed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import polars as pl

from crypto_features.tables.months import month_of, month_span, months_between

Reader = Callable[[str, Sequence[str], Sequence[str] | None, Sequence[str] | None], pl.DataFrame]
"""`read(table, months, columns, symbols)`: rows of published months; `None` means all. Of candles the current ones, of
a fitted model one row per month. What is not published has no rows."""


@dataclass(frozen=True)
class Terms:
    """What the rows of a table depend on beside its inputs.

    Args:
        interval: Length of a base candle.
        now: The current time: a bar that is not over has no row yet.
        wait: How long a bar waits for its missing candles.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
    """

    interval: timedelta
    now: datetime
    wait: timedelta
    min_completeness: float


@dataclass(frozen=True)
class Read:
    """What a table reads of another.

    Args:
        table: The other table.
        lookback: How far before the start of a month.
        columns: Which columns; `None` for all.
        own_month: Whether it reads rows of the month itself, or only of those before.
        ahead: How far past the end of a month, as a week does that opens in it.
        shared: Symbols whose rows reach those of every symbol, as BTC's do where they are joined to all.
    """

    table: str
    lookback: timedelta
    columns: tuple[str, ...] | None = None
    own_month: bool = True
    ahead: timedelta = timedelta(0)
    shared: tuple[str, ...] = ()

    def covers(self, month: str, other: str) -> bool:
        """Whether computing `month` reads the partition `other`."""
        first, last = _around(month, self.lookback, self.ahead)
        return first <= other <= last and (self.own_month or other < month)

    def months(self, month: str) -> tuple[str, ...]:
        """The months that computing a month reads, oldest first."""
        start, end = month_span(month)
        return tuple(m for m in months_between(start - self.lookback, end + self.ahead) if self.covers(month, m))

    def rows(self, read: Reader, month: str, symbols: Sequence[str] | None) -> pl.DataFrame:
        """The rows that computing a month reads."""
        wanted = symbols if symbols is None or not self.shared else [*dict.fromkeys((*symbols, *self.shared))]
        return read(self.table, self.months(month), self.columns, wanted)

    def touches(self, columns: Collection[str] | None) -> bool:
        """Whether it reads one of these columns; `None` are all."""
        return columns is None or self.columns is None or not set(self.columns).isdisjoint(columns)


@cache
def _around(month: str, lookback: timedelta, ahead: timedelta) -> tuple[str, str]:
    """The first and the last month that are read."""
    start, end = month_span(month)
    return month_of(start - lookback), month_of(end + ahead - timedelta.resolution)
