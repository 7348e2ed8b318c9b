"""The lake as a Dagster resource, and reading it month by month without keeping its history in memory."""

import json
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.graph.partitions import window
from crypto_features.lake.candles import current
from crypto_features.lake.table import Table
from crypto_features.tables.lineage import KEYS
from crypto_features.versions.provenance import COLUMNS, input_digest

CANDLE_TABLES = frozenset({"candles", "daily_candles", "quarantine"})


class LakeResource(dg.ConfigurableResource[None]):
    """The folder or bucket of monthly Parquet tables."""

    root: str
    """Absolute path or URL of the data folder."""
    interval_minutes: int
    """Length of a base candle."""

    @property
    def interval(self) -> timedelta:
        """Length of a base candle."""
        return timedelta(minutes=self.interval_minutes)

    @property
    def path(self) -> UPath:
        """The data folder."""
        return UPath(self.root)

    def table(self, name: str) -> Table:
        """The table of that name; it need not exist yet."""
        return Table(self.path, name, time="open_time" if name in CANDLE_TABLES else "event_timestamp")


class SlidingReader:
    """Reads the months that a partition looks back on, each month once while the window slides forward.

    Args:
        table: What to read.
        lookback: How long before the start of a month its rows are needed.
        columns: The columns that are read, and whose content a partition's provenance records; all by default.

    Raises:
        InputError: if the table has never been published.
    """

    def __init__(self, table: Table, lookback: timedelta, columns: Sequence[str] | None = None) -> None:
        self._table, self._lookback, self._columns = table, lookback, columns
        self._available = table.months()
        self._held: dict[str, tuple[pl.DataFrame, str]] = {}
        if not self._available:
            raise InputError(
                f"table {table.name!r} is empty, nothing can be computed from it; materialize the asset "
                f"{table.name!r} first, or select it together with this one."
            )

    def read(self, month: str) -> pl.DataFrame:
        """Rows of `[month start − lookback, month end)`, whole months at a time; no rows if none is on disk."""
        wanted = window(month, self._lookback, self._available)
        self._held = {name: self._held[name] if name in self._held else self._load(name) for name in wanted}
        if not wanted:
            return self._table.read(self._available[:1]).clear()
        return pl.concat(frame for frame, _ in self._held.values())

    def digests(self) -> dict[str, str]:
        """Digest, by month, of what the last `read` returned."""
        return {month: digest for month, (_, digest) in self._held.items()}

    def _load(self, month: str) -> tuple[pl.DataFrame, str]:
        note = self._table.metadata(month).get(COLUMNS)
        if note is None:
            frame, digest = self._table.read([month]), self._table.digest(month)
        else:
            digests: dict[str, str] = json.loads(note)
            digest = input_digest(digests, self._columns)
            wanted = self._columns and [name for name in self._columns if name in digests or name not in KEYS]
            frame = self._table.read([month], wanted)
        return (current(frame) if self._table.name == "candles" else frame), digest


def read_any(table: Table, months: Sequence[str]) -> pl.DataFrame:
    """Rows of months that may have been written with other columns than each other; null where one lacks a column."""
    return pl.concat([table.read([month]) for month in months], how="diagonal_relaxed")
