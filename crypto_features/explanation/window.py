"""Which raw rows decide a value: the windows of all that it is computed from, one behind the other."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from crypto_features.explanation.replay import Replay, Versions
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_of, month_span, months_between
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join, Table

_INSTANT = timedelta(microseconds=1)


class Window(NamedTuple):
    """Raw rows of a table that open in `[start, end)`, of some symbols; `None` for all."""

    table: str
    start: datetime
    end: datetime
    symbols: frozenset[str] | None


def windows(replay: Replay, table: Table, symbol: str, time: datetime) -> list[Window]:
    """The raw rows behind a symbol's row of a table, by raw table.

    Of bars of its own symbol those that exist are counted; of joined tables the whole time is taken that they may reach
    back. Fitted models are facts: what they were fitted on is in `fit_windows`.
    """
    return _merged(_windows(replay, table, frozenset([symbol]), (time, time)))


def fit_windows(replay: Replay, model: FittedModel, month: str) -> list[Window]:
    """The raw rows behind the fit of a month, by raw table."""
    start, _ = month_span(month)
    return _merged(_windows(replay, model.of, None, (start - model.inputs[0].lookback, start)))


def _merged(parts: Iterator[Window]) -> list[Window]:
    found: dict[str, Window] = {}
    for one in parts:
        held = found.get(one.table)
        both = None if held is None or held.symbols is None or one.symbols is None else held.symbols | one.symbols
        found[one.table] = (
            one if held is None else Window(one.table, min(held.start, one.start), max(held.end, one.end), both)
        )
    return [*found.values()]


def _windows(
    replay: Replay, table: Table, symbols: frozenset[str] | None, span: tuple[datetime, datetime]
) -> Iterator[Window]:
    """The raw rows behind the rows of a table between two times, both included."""
    interval, (first, last) = replay.interval, span
    if isinstance(table, FittedModel | Borrowed):
        return
    if isinstance(table, Bars):
        yield Window(table.of.name, first - table.bar(interval), last, symbols)
        return
    if isinstance(table, RawTable):
        yield Window(table.name, first - (table.bar(interval) or _INSTANT), last, symbols)
        return
    assert isinstance(table, FeatureGroup)  # noqa: S101 - there is no other kind.
    some = symbols if table.by_symbol else None
    for number, join in enumerate(table.inputs):
        source = replay.tables[join.table.name]
        start = _joined(table, join, first, interval) if number else _counted(replay, table, some, first)
        yield from _windows(replay, source, frozenset([join.symbol]) if join.symbol else some, (start, last))


def _joined(group: FeatureGroup, join: Join, time: datetime, interval: timedelta) -> datetime:
    """The earliest row of a joined table that may decide the row of a time."""
    if group.function is not None:
        return _anchor(time) - join.reach(interval)
    return time - group.bar(interval) - join.lookback - (join.window - 1) * join.table.bar(interval)


def _counted(replay: Replay, group: FeatureGroup, symbols: frozenset[str] | None, time: datetime) -> datetime:
    """The first of the bars that decide the row of a time, of which those that exist are counted."""
    bars, interval = group.inputs[0], replay.interval
    if group.function is not None:
        return _anchor(time) - bars.reach(interval)
    length = bars.table.bar(interval)
    start = time - max(bars.lookback, (bars.window - 1) * length)
    if bars.window == 1 or symbols is None or len(symbols) > 1:
        return start
    rows = replay.rows(bars.table.name, months_between(_anchor(time) - bars.reach(interval), time), sorted(symbols))
    closes = rows["event_timestamp"] if "event_timestamp" in rows.columns else rows["open_time"] + length
    oldest = closes.filter(closes <= time).sort().tail(bars.window).min()
    return min(start, oldest) if isinstance(oldest, datetime) else start


def _anchor(time: datetime) -> datetime:
    """The start of the month of a row, with which the window of a function begins."""
    return month_span(month_of(time - _INSTANT))[0]


def raw_rows(versions: Versions, found: Sequence[Window]) -> pl.DataFrame:
    """Every version of the raw rows of some windows, sorted, and whether each was superseded since."""
    parts = []
    for one in found:
        names = None if one.symbols is None else tuple(sorted(one.symbols))
        months = months_between(one.start, one.end)
        rows = pl.concat((versions(one.table, month, names) for month in months), how="diagonal_relaxed")
        rows = rows.filter((pl.col("open_time") >= one.start) & (pl.col("open_time") < one.end))
        newest = pl.col("known_at").max().over("symbol", "open_time")
        parts.append(rows.select(pl.lit(one.table).alias("table"), pl.all(), superseded=pl.col("known_at") < newest))
    if not parts:
        return pl.DataFrame()
    return pl.concat(parts, how="diagonal_relaxed").sort("table", "symbol", "open_time", "known_at")
