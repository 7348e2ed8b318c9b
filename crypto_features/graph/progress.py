"""How far each table is, read from the metadata of its files alone: what automation, checks and alerts decide by."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.catalogs import current_catalog
from crypto_features.graph.lake import LakeResource
from crypto_features.lake.table import Table
from crypto_features.sources.standing import FORGOTTEN
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.months import months_between
from crypto_features.versions.provenance import COLUMNS, INPUTS, input_digest

DAY = timedelta(days=1)


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


def same_inputs(lake: LakeResource, name: str, months: Iterable[str]) -> tuple[str, ...]:
    """Those of a table's published months whose inputs still are what they were made from."""
    current = _Digests(lake)
    return tuple(month for month in months if current.holds_for(lake.table(name), month))


class _Digests:
    """Digests of what is published now, each read once."""

    def __init__(self, lake: LakeResource) -> None:
        self._lake, self._catalog = lake, current_catalog()
        self._metadata: dict[tuple[str, str], Mapping[str, str]] = {}

    def holds_for(self, table: Table, month: str) -> bool:
        noted: dict[str, dict[str, str]] = json.loads(table.metadata(month).get(INPUTS, "{}"))
        return all(
            self._of(table.name, source, past) == digest
            for source, months in noted.items()
            if source in self._catalog.tables and source not in self._catalog.models
            for past, digest in months.items()
        )

    def _of(self, name: str, source: str, month: str) -> str | None:
        table = self._lake.table(source)
        if month not in table.months():
            return None
        if (source, month) not in self._metadata:
            self._metadata[source, month] = table.metadata(month)
        note, groups = self._metadata[source, month].get(COLUMNS), self._catalog.groups
        if note is None:
            return table.digest(month)
        return input_digest(json.loads(note), columns_read(groups[name], source) if name in groups else None)
