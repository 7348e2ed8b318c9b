"""How far each table is, read from the metadata of its files alone: what automation, checks and alerts decide by."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.assets.lake import LakeResource
from crypto_features.features import GROUPS, columns_read, input_digest
from crypto_features.features.months import month_span, months_between
from crypto_features.features.provenance import COLUMNS, INPUTS
from crypto_features.market import FORGOTTEN, Table

DAY = timedelta(days=1)
READ_AS_TABLES = frozenset({"candles", "daily_candles", *GROUPS})


def months_to_fetch(
    last: Mapping[str, datetime], start: datetime, end: datetime, interval: timedelta
) -> tuple[str, ...]:
    """The months that may hold candles of `[start, end)` that are not stored yet, oldest first.

    Args:
        last: Open time of the last stored candle of each wanted symbol that has one.
        start: First candle on offer.
        end: Now, or the close of the last candle on offer.
        interval: Length of a candle.
    """
    complete = last_close(end, interval)
    if not last:
        return months_between(start, complete)
    head = max(last.values())
    behind = min(time for time in last.values() if head - time <= FORGOTTEN) + interval
    return months_between(max(start, behind), complete)


def newest(table: Table) -> datetime | None:
    """The newest time in a table: the close for feature tables, the open for candles; none if it has no row."""
    for month in reversed(table.months()):
        time = table.collect(table.scan([month]).select(pl.col(table.time).max())).item()
        if isinstance(time, datetime):
            return time
    return None


def last_close(now: datetime, interval: timedelta) -> datetime:
    """The close of the last candle that is over at `now`."""
    return now - (now - datetime.min.replace(tzinfo=UTC)) % interval


def outdated(lake: LakeResource, name: str, bars: str, now: datetime) -> tuple[str, ...]:
    """Months of a table that a run should have made and did not, oldest first.

    A month is missing; or closed and made from other content of an input than is published now; or open and without
    the row of the last bar that is over. An open month is not compared by content: its candles change every hour.

    Args:
        lake: The lake.
        name: The table.
        bars: The table that says which months there are.
        now: The current time.
    """
    table, head = lake.table(name), newest(lake.table(bars))
    if head is None:
        return ()
    last = last_bar(name, head, lake.interval)
    length = timedelta(0) if name == "daily_candles" else last - head
    published = table.months()
    expected = [month for month in lake.table(bars).months() if month_span(month)[0] + length <= last]
    current = _Digests(lake)
    found = {
        month
        for month in expected
        if month not in published or (month_span(month)[1] + DAY <= now and not current.holds_for(table, month))
    }
    reached = newest(table)
    if reached is not None and reached < last:
        following = reached - length + (length or DAY)
        found |= {*months_between(following, last - length + timedelta(microseconds=1))}.intersection(expected)
    return tuple(sorted(found))


def same_inputs(lake: LakeResource, name: str, months: Iterable[str]) -> tuple[str, ...]:
    """Those of a table's published months whose inputs still are what they were made from."""
    current = _Digests(lake)
    return tuple(month for month in months if current.holds_for(lake.table(name), month))


def last_bar(name: str, head: datetime, interval: timedelta) -> datetime:
    """The newest stamp that a table has once it is up to date with bars whose newest open time is `head`."""
    if name == "daily_candles":
        return last_close(head + interval, DAY) - DAY
    hourly = name in GROUPS and GROUPS[name].interval is None
    return head + (interval if hourly else DAY)


class _Digests:
    """Digests of what is published now, each read once."""

    def __init__(self, lake: LakeResource) -> None:
        self._lake = lake
        self._metadata: dict[tuple[str, str], Mapping[str, str]] = {}

    def holds_for(self, table: Table, month: str) -> bool:
        """Whether every input that the partition was made from is still the same."""
        noted: dict[str, dict[str, str]] = json.loads(table.metadata(month).get(INPUTS, "{}"))
        return all(
            self._of(table.name, source, past) == digest
            for source, months in noted.items()
            if source in READ_AS_TABLES
            for past, digest in months.items()
        )

    def _of(self, name: str, source: str, month: str) -> str | None:
        table = self._lake.table(source)
        if month not in table.months():
            return None
        if (source, month) not in self._metadata:
            self._metadata[source, month] = table.metadata(month)
        note = self._metadata[source, month].get(COLUMNS)
        if note is None:
            return table.digest(month)
        return input_digest(json.loads(note), columns_read(GROUPS[name], source) if name in GROUPS else None)
