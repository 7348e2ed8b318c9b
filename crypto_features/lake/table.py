"""A table: a folder of one Parquet file a month, each published whole by one atomic rename."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features.errors import InputError, TransientError, UnknownNameError
from crypto_features.file_lock import file_lock
from crypto_features.lake import parquet
from crypto_features.lake.owners import claim
from crypto_features.lake.parquet import ParquetFile
from crypto_features.lake.path_parts import check_month, check_table_name, kept_name
from crypto_features.lake.pins import pin
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.months import month_span
from crypto_features.tables.order import in_order
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.provenance import FINGERPRINTS, STAMPS, content_digest
from crypto_features.whole_file import make_folder, on_disk, remove_strays

SYMBOLS = "symbols"
"""Metadata key of a partition that is not raw: the symbols that have rows in it, as JSON."""
LOCK_SECONDS = 600
"""How long a writer waits for another writer of the same partition."""

_GAINED: Mapping[str, pl.Expr] = {"completeness": pl.lit(1.0)}
"""What a raw table gained if nothing is declared of its rows."""


def restoring(table: str, month: str = "", *, raw: bool) -> str:
    """What to do about a damaged partition: a raw one is the only record of what was known when."""
    named, again = month or "that month", f"materialize {table.rpartition('/')[2]!r} for {month or 'that month'} again"
    if not raw:
        return f"Delete the file and {again}."
    return (
        f"Restore the file of {named} from a copy. Without a copy, move it aside, keep it, and {again}: the source "
        "gives the candles as they are now, not what was known before."
    )


@dataclass(frozen=True)
class Table:
    """The table `<root>/<name>/`, partitioned by calendar month.

    A reader sees a partition as it was before a publication or after it, never in between; a writer that is killed
    leaves the old partition whole. In a local folder, writers of one partition take turns by a file lock that dies
    with its process. In a bucket an upload is atomic too, but there is no lock: let one process write a table.

    Args:
        root: The data folder or bucket.
        name: Folder of the table below it, such as `daily_candles` or `training/ml_training_features`.
        time: The time column, by which a partition is sorted after `symbol`.
        raw: Whether it is the only record of what was known when.
        by_symbol: Whether each symbol has a row group of its own, so that its encoded bytes do not depend on others.
        version: The behaviour of the version that is read, of a table that another project may compute otherwise now;
            empty for what is published.
        project: The project that writes it; empty if nobody minds.
        gains: Columns that raw rows may have been stored without, and what they count as then; the content of a
            partition stays as it is. `None` for those of candles of version 0.1.

    Raises:
        InputError: if the name could leave the data folder.
    """

    root: UPath
    name: str
    time: str = "event_timestamp"
    raw: bool = False
    by_symbol: bool = False
    version: str = ""
    project: str = ""
    gains: Mapping[str, pl.Expr] | None = None

    def __post_init__(self) -> None:
        check_table_name(self.name)

    @property
    def folder(self) -> UPath:
        return self.root / self.name

    def path(self, month: str) -> UPath:
        """Where the partition of that month is, or will be."""
        check_month(month)
        published = self.folder / f"{month}.parquet"
        if self.version and (kept := self.kept(self.version) / published.name).exists():
            return published if is_of(ParquetFile(published, "a file", ""), self.version) else kept
        return published

    def kept(self, version: str) -> UPath:
        """Where the months of a version are kept once the table is computed otherwise."""
        return self.root / kept_name(self.name, version)

    def months(self) -> tuple[str, ...]:
        """The months that are published, oldest first."""
        if not self.version:
            return _months(self.folder)
        there = {*_months(self.folder), *_months(self.kept(self.version))}
        return tuple(sorted(month for month in there if self.behaviour(month) in ("", self.version)))

    def behaviour(self, month: str) -> str:
        """The behaviour of the code that computed a month; empty if its notes do not say."""
        return _behaviour(self.metadata(month))

    def scan(self, months: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """The rows of some months, all by default, as a lazy frame sorted by month, symbol and time.

        `collect` names the partition that turns out to be damaged inside.

        Raises:
            UnknownNameError: if the table has no partition, or none of a month asked for.
            UnreadableTableError: if a partition is not a whole Parquet file.
        """
        parts = [self._scan(month) for month in self._chosen(months)]
        return pl.concat(parts if columns is None else [part.select(columns) for part in parts], how="vertical")

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """The result of a query over `scan`.

        Raises:
            UnreadableTableError: if a partition is damaged in its middle.
        """
        return parquet.collect(query, map(self._file, self.months()))

    def read(self, months: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of some months, all by default, sorted by symbol and time.

        Raises:
            UnknownNameError: if the table has no partition, or none of a month asked for.
            UnreadableTableError: if a partition is not a whole Parquet file.
            InputError: if one lacks one of the columns, or has other columns than the newest one.
        """
        chosen = self._chosen(months)
        frames = [self._read_one(month, columns) for month in chosen]
        for month, frame in zip(chosen, frames, strict=True):
            if frame.schema != frames[-1].schema:
                differ = sorted({str(column) for column in frame.schema.items() ^ frames[-1].schema.items()})
                raise InputError(
                    f"partition {month} of {self.name!r} was written with other columns than {chosen[-1]}; they differ "
                    f"in {', '.join(differ)}. `crypto-features plan --run` computes what is outdated."
                )
        frame = pl.concat(frames, how="vertical", rechunk=True)
        keys = [key for key in ("symbol", self.time) if key in frame.columns]
        return frame.sort(keys, maintain_order=True) if len(frames) > 1 and keys else frame

    def symbols(self) -> frozenset[str]:
        """The symbols that have rows in any month."""
        if not self.months():
            return frozenset()
        return frozenset(self.collect(self.scan(columns=["symbol"]).unique())["symbol"])

    def publish(self, month: str, frame: pl.DataFrame, metadata: Mapping[str, str] | None = None) -> None:
        """Replace the partition of a month by these rows, whole or not at all.

        Args:
            month: The month, as `2024-01`.
            frame: Rows with `symbol` and the time column, in any order.
            metadata: What to keep in the file beside the rows; `metadata(month)` returns it.

        Raises:
            InputError: if a key column is missing, a time is not UTC microseconds, a row lies outside the month, or
                another project writes the table.
            TransientError: if another writer holds the partition for ten minutes.
        """
        with self._lock(month):
            self._write(month, frame, metadata or {})

    def update(
        self, month: str, change: Callable[[pl.DataFrame | None], tuple[pl.DataFrame, Mapping[str, str]] | None]
    ) -> bool:
        """Read a partition, change it and publish it, with no other writer in between.

        Args:
            month: The month, as `2024-01`.
            change: Receives the rows published now (`None` if there are none), and returns the rows and metadata to
                publish, or `None` to leave the partition as it is.

        Returns:
            Whether the partition was published again.
        """
        with self._lock(month):
            changed = change(self._read_one(month, None) if self.path(month).exists() else None)
            if changed is not None:
                self._write(month, *changed)
            return changed is not None

    def metadata(self, month: str) -> dict[str, str]:
        """What the partition was published with, its `digest`, and the `symbols` of one that is not raw.

        Raises:
            UnknownNameError, UnreadableTableError: as `read`.
        """
        if not self.path(month).exists():
            raise self._unpublished(month, _months(self.folder))
        return self._file(month).notes()

    def sizes(self, month: str) -> tuple[int, dict[str, int]]:
        """How many rows the partition has, and how many bytes each column takes on disk.

        Raises:
            UnknownNameError, UnreadableTableError: as `read`.
        """
        if not self.path(month).exists():
            raise self._unpublished(month, _months(self.folder))
        return self._file(month).sizes()

    def digest(self, month: str) -> str:
        """Digest of the partition's rows without `known_at` and `created_timestamp`: equal rows, equal digest.

        Raises:
            UnknownNameError, UnreadableTableError: as `read`.
        """
        return self.metadata(month).get("digest") or content_digest(self._read_one(month, None))

    def _chosen(self, months: Sequence[str] | None) -> tuple[str, ...]:
        published = self.months()
        chosen = published if months is None else tuple(dict.fromkeys(months))
        if not published:
            raise self._unpublished("", published)
        for month in chosen:
            check_month(month)
            if month not in published:
                raise self._unpublished(month, published)
        return tuple(sorted(chosen))

    def _unpublished(self, month: str, published: Sequence[str]) -> UnknownNameError:
        hint = f"Materialize the asset {self.name.rpartition('/')[2]!r} first."
        if not published:
            hint = f"{self.folder} holds no partition. {hint}"
            return UnknownNameError("table", self.name, _tables(self.root), hint)
        span, hint = [published[0], published[-1]], f"These are the first and last. {hint}"
        return UnknownNameError(f"partition of {self.name!r}", month, span, hint)

    def _read_one(self, month: str, columns: Sequence[str] | None) -> pl.DataFrame:
        rows = self._scan(month)
        try:
            return parquet.collect(rows if columns is None else rows.select(columns), [self._file(month)])
        except pl.exceptions.ColumnNotFoundError:
            names = rows.collect_schema().names()
            missing = next(column for column in columns or () if column not in names)
            hint = "If it was declared since the month was written, `crypto-features plan --run` computes it again."
            raise UnknownNameError(f"column of {self.name!r} {month}", missing, names, hint) from None

    def _file(self, month: str) -> ParquetFile:
        called = f"partition {month} of {self.name!r}"
        return ParquetFile(self.path(month), called, restoring(self.name, month, raw=self.raw))

    def _scan(self, month: str) -> pl.LazyFrame:
        file = self._file(month)
        rows = parquet.scan([file])
        gains = (_GAINED if self.gains is None else self.gains) if self.raw else {}
        names = file.schema.names() if gains else []
        if gains.keys() - {*names}:
            last = [name for name in names if name in STAMPS]
            gained = (pl.col(name) if name in names else value.alias(name) for name, value in gains.items())
            rows = rows.select(pl.exclude([*last, *gains]), *gained, *last)
        return rows

    @contextmanager
    def _lock(self, month: str) -> Iterator[None]:
        if self.version:
            raise InputError(f"a version of {self.name!r} is only read; nothing was written.")
        if self.project:
            claim(self.root, self.name, self.project)
        folder = on_disk(self.folder)
        if folder is None:
            yield
            return
        make_folder(folder)
        lock = Path(self.root.path) / ".locks" / self.name / month
        lock.parent.mkdir(parents=True, exist_ok=True)
        busy = f"another process has been writing {self.name!r} {month} for {LOCK_SECONDS} s; try again later."
        with file_lock(lock, LOCK_SECONDS, TransientError(busy)):
            remove_strays(folder / f"{month}.parquet")
            yield

    def _write(self, month: str, frame: pl.DataFrame, metadata: Mapping[str, str]) -> None:
        frame = self._checked(month, frame)
        runs = frame["symbol"].rle().struct.unnest()
        notes = dict(metadata) | {"digest": content_digest(frame)}
        if not self.raw:
            notes[SYMBOLS] = json.dumps(runs["value"].to_list())
        groups = runs["len"].to_list() if self.by_symbol else None
        parquet.write(self.path(month), frame, notes=notes, groups=groups)

    def _checked(self, month: str, frame: pl.DataFrame) -> pl.DataFrame:
        start, end = month_span(month)
        for column in ("symbol", self.time):
            if column not in frame.columns:
                raise InputError(
                    f"table {self.name!r} needs a column {column!r}; got {', '.join(frame.columns) or 'none'}."
                )
        for column, dtype in frame.schema.items():
            if isinstance(dtype, pl.Datetime) and dtype != pl.Datetime("us", "UTC"):
                raise InputError(f"column {column!r} of {self.name!r} is {dtype}; expected Datetime('us', 'UTC').")
        first_time, last_time = frame[self.time].min(), frame[self.time].max()
        if (
            isinstance(first_time, datetime)
            and isinstance(last_time, datetime)
            and (first_time < start or last_time > end)
        ):
            first = frame.filter((pl.col(self.time) < start) | (pl.col(self.time) > end)).row(0, named=True)
            raise InputError(f"partition {month} of {self.name!r} got a row outside {start} .. {end}: {first}.")
        versions = [column for column in STAMPS if column in frame.columns]
        return frame if in_order(frame, self.time) else frame.sort("symbol", self.time, *versions, maintain_order=True)


def is_of(file: ParquetFile, behaviour: str) -> bool:
    """Whether a month is there, whole at its ends, and notes that it was computed by code of that behaviour."""
    try:
        return file.path.exists() and _behaviour(file.notes()) == behaviour
    except InputError:
        return False


def _behaviour(notes: Mapping[str, str]) -> str:
    noted: dict[str, str] = json.loads(notes.get(FINGERPRINTS, "{}"))
    return combined(noted) if noted else ""


def _tables(root: UPath) -> list[str]:
    folders = root.iterdir() if root.is_dir() else ()
    return [folder.name for folder in folders if folder.is_dir() and not folder.name.startswith(".")]


def _months(folder: UPath) -> tuple[str, ...]:
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return tuple(sorted(name[:7] for name in names if re.fullmatch(r"\d{4}-\d{2}\.parquet", name)))


def stored(root: UPath, catalog: Catalog, name: str) -> Table:
    """A table of a catalog as a data folder holds it, of another project's view the version that the catalog's reads.

    It need not exist yet.
    """
    if (declared := catalog.raw_of(name)) is not None:
        return Table(root, name, time=declared.time, raw=True, gains=declared.rows.gains, project=catalog.project)
    version = pin(root, catalog.project, name) if name in catalog.borrowed else ""
    return Table(root, name, time=catalog.time_of(name), version=version, project=catalog.project)
