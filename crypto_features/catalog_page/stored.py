"""What a data folder holds of a table, as the page shows it: months, versions, values and what they cost."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from crypto_features.catalog_page.entries import Curve, Distribution, Version
from crypto_features.errors import InputError
from crypto_features.lake.table import Table
from crypto_features.tables.dtypes import TIME
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.provenance import CPU_MS, FINGERPRINTS, PUBLISHED_AT

MOST_ROWS = 4_000_000
"""Rows that are looked at, of the newest months."""
SYMBOLS = 12
"""Symbols that are drawn, however many there are."""
BARS, POINTS = 180, 60
"""Newest bars of a curve, and how many of them are drawn."""
BINS = 24
NAMES = 12
"""Texts of a distribution, the most frequent ones."""


@dataclass(frozen=True)
class Stored:
    """The published months of a table.

    Args:
        months: The months, oldest first; a damaged one is left out.
        rows: How many rows they have.
        notes: By month, what its file notes.
        columns: By month, the columns that its file has.
        bytes_of: By column, the bytes that it takes on disk in all months.
        read: The newest months, which have at most `MOST_ROWS` rows, but at least one month.
    """

    months: tuple[str, ...]
    rows: int
    notes: Mapping[str, Mapping[str, str]]
    columns: Mapping[str, frozenset[str]]
    bytes_of: Mapping[str, int]
    read: tuple[str, ...]

    @property
    def cpu_ms(self) -> float | None:
        """Milliseconds of processor time for 1,000 rows; `None` where a month does not note them."""
        noted = [notes.get(CPU_MS) for notes in self.notes.values()]
        if not self.rows or not noted or None in noted:
            return None
        return 1000 * sum(float(one) for one in noted if one is not None) / self.rows

    def bytes_per_1000(self, column: str | None = None) -> float | None:
        """Bytes on disk of 1,000 rows, or of 1,000 values of a column; `None` without rows."""
        taken = sum(self.bytes_of.values()) if column is None else self.bytes_of.get(column)
        return 1000 * taken / self.rows if self.rows and taken is not None else None

    def versions(self, column: str | None = None) -> tuple[Version, ...]:
        """Which months were computed by code of which behaviour, oldest first, of the table or of a column."""
        return versions(self.notes, column)


NOTHING = Stored((), 0, {}, {}, {}, ())
"""Of a table that was never published."""


def stored_of(table: Table) -> Stored:
    """What the files of a table say of it, without its values."""
    notes, sizes = dict[str, Mapping[str, str]](), dict[str, tuple[int, dict[str, int]]]()
    for month in table.months():
        with suppress(InputError):
            notes[month], sizes[month] = table.metadata(month), table.sizes(month)
    taken: dict[str, int] = {}
    for _, columns in sizes.values():
        for name, count in columns.items():
            taken[name] = taken.get(name, 0) + count
    rows, read = 0, list[str]()
    for month in reversed(sizes):
        rows += sizes[month][0]
        if read and rows > MOST_ROWS:
            break
        read.insert(0, month)
    there = {month: frozenset(columns) for month, (_, columns) in sizes.items()}
    return Stored(tuple(sizes), sum(count for count, _ in sizes.values()), notes, there, taken, tuple(read))


def versions(notes: Mapping[str, Mapping[str, str]], column: str | None = None) -> tuple[Version, ...]:
    """Runs of months that note the same behaviour, of all columns or of one.

    Args:
        notes: By month, what its file notes.
        column: A column, or `None` for the table.
    """
    marks = []
    for month, noted in sorted(notes.items()):
        fingerprints: dict[str, str] = json.loads(noted.get(FINGERPRINTS, "{}"))
        mark = fingerprints.get(column, "") if column else combined(fingerprints) if fingerprints else ""
        marks.append((mark, month, noted.get(PUBLISHED_AT, "")))
    runs = [(mark, [*run]) for mark, run in groupby(marks, key=lambda one: one[0]) if mark]
    return tuple(Version(mark, r[0][1], r[-1][1], len(r), max(at for *_, at in r)) for mark, r in runs)


def by_symbol(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The newest rows of the symbols that are drawn: those with most rows, then by name."""
    counted = rows["symbol"].value_counts().sort("count", "symbol", descending=[True, False])
    shown = rows.filter(pl.col("symbol").is_in(counted["symbol"].head(SYMBOLS).implode()))
    return {part["symbol"][0]: part.tail(BARS) for part in shown.partition_by("symbol", maintain_order=True)}


def curves(newest: Mapping[str, pl.DataFrame], column: str) -> tuple[Curve, ...]:
    """The newest values of each symbol, thinned; nothing of what is not a number or a truth value.

    Args:
        newest: By symbol, its newest rows in time order.
        column: Its name.
    """
    if not all(_is_number(rows.schema[column]) for rows in newest.values()):
        return ()
    return tuple(Curve(symbol, thinned(rows[column].to_list())) for symbol, rows in newest.items())


def thinned(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Every third of 180 values, or so, the newest one included."""
    step = max(1, len(values) // POINTS)
    kept = values[(len(values) - 1) % step :: step] if values else ()
    return tuple(None if value is None or not math.isfinite(value) else float(value) for value in kept)


def null_share(values: pl.Series) -> float | None:
    """Share of the rows, 0 to 1, that have no value; `None` without rows."""
    return values.null_count() / len(values) if len(values) else None


def distribution(values: pl.Series) -> Distribution | None:
    """How often values occur: of numbers in bins of equal width from the 0.5th to the 99.5th percentile."""
    known = values.drop_nulls()
    if known.is_empty():
        return None
    if known.dtype in (pl.String, pl.Boolean):
        counted = (
            known.cast(pl.String)
            .alias("value")
            .value_counts(sort=True)
            .sort("count", "value", descending=[True, False])
        )
        top = counted.head(NAMES)
        return Distribution(tuple(top["value"]), tuple(top["count"]), numeric=False)
    if not _is_number(known.dtype):
        return None
    numbers = known.cast(pl.Float64).to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    low, high = np.quantile(numbers, [0.005, 0.995])
    counts, edges = np.histogram(numbers, BINS, range=(low, high)) if low < high else np.histogram(numbers, BINS)
    return Distribution((f"{edges[0]:.4g}", f"{edges[-1]:.4g}"), tuple(int(count) for count in counts), numeric=True)


def read(table: Table, stored: Stored, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of the newest months, null where a month was written without one; no rows where nothing is published."""
    if not stored.read:
        return pl.DataFrame(schema={"symbol": pl.String(), table.time: TIME})
    if all({*columns} <= stored.columns[month] for month in stored.read):
        return table.collect(table.scan(stored.read, columns)).sort("symbol", table.time)
    parts = [table.read([month], [name for name in columns if name in stored.columns[month]]) for month in stored.read]
    return pl.concat(parts, how="diagonal_relaxed").sort("symbol", table.time)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean
