"""The one place that reads and writes Parquet files: those of our tables, and those behind a Feast `FileSource`."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.checksum import NAME as SUM
from crypto_features.lake.checksum import UNSEALED, checksum, is_intact, seal
from crypto_features.whole_file import on_disk, whole_file

_MAGIC = b"PAR1"
_NOTES = b"crypto_features"
_NOTES_SUM = b"crypto_features.notes_checksum"
"""Of the notes alone, which are read without the rows."""
_GROUP = 1_048_576
"""Rows of a row group, unless the writer says otherwise."""
_LARGE = 2**31 - 1
"""How many bytes of a column the offsets of a small type reach."""
_DAMAGED = (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""How Polars and Arrow say that bytes are not what they were."""


@dataclass(frozen=True, eq=False)
class ParquetFile:
    """A Parquet file, and how an error speaks of it if it is damaged.

    Args:
        path: Where it is: on this machine, or in a bucket.
        called: What it is, such as `partition 2024-01 of 'candles'`.
        todo: What to do about it.
    """

    path: UPath
    called: str = "the file"
    todo: str = "Restore it from a copy, or delete it and write its rows again."

    @cached_property
    def source(self) -> Path | bytes:
        """What Polars scans: the place of the file, or the whole content of one version of an object in a bucket.

        A file that was truncated, or of which a bit is another than was written, is found before a query meets it.

        Raises:
            UnreadableTableError: if it is truncated, damaged anywhere, or is not a Parquet file.
        """
        place = on_disk(self.path)
        if place is None:
            content: bytes = self.path.read_bytes()
            self._check_bytes(BytesIO(content))
            return content
        with place.open("rb", buffering=0) as file:
            self._check_bytes(file)
        return place

    @cached_property
    def schema(self) -> pl.Schema:
        """Names and types of its columns.

        Raises:
            UnreadableTableError: if it is not a whole Parquet file.
        """
        rows = scan([self])
        try:
            return rows.collect_schema()
        except _DAMAGED as error:
            raise self.broken(str(error)) from None

    def notes(self) -> dict[str, str]:
        """What `write` was given to keep beside the rows; nothing of a file that others wrote.

        Raises:
            UnreadableTableError: if it is not a whole Parquet file.
        """
        with self.path.open("rb") as file:
            self._check_ends(file)
            try:
                kept = pq.read_metadata(file).metadata or {}
                text = kept.get(_NOTES, b"{}")
                found: dict[str, str] = json.loads(text)
            except _DAMAGED as error:
                raise self.broken(str(error)) from None
            if _NOTES not in kept:
                self._check_bytes(file)
        if kept.get(_NOTES_SUM, checksum(text).encode()) != checksum(text).encode():
            raise self.broken("its notes are not those that were written")
        return found

    def sizes(self) -> tuple[int, dict[str, int]]:
        """How many rows it has, and how many bytes of it each column takes; no value is read.

        Raises:
            UnreadableTableError: if it is not a whole Parquet file.
        """
        with self.path.open("rb") as file:
            self._check_ends(file)
            try:
                footer = pq.read_metadata(file)
            except _DAMAGED as error:
                raise self.broken(str(error)) from None
        taken: dict[str, int] = {}
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                name = column.path_in_schema.partition(".")[0]
                taken[name] = taken.get(name, 0) + column.total_compressed_size
        return footer.num_rows, taken

    def check(self) -> None:
        """Read every value.

        Raises:
            UnreadableTableError: if it is damaged anywhere.
        """
        rows = scan([self])
        try:
            rows.collect()
        except _DAMAGED as error:
            raise self.broken(str(error)) from None

    def broken(self, why: str) -> UnreadableTableError:
        """The error of a damaged file."""
        first_line = why.partition("\n")[0]
        return UnreadableTableError(
            f"{self.called} is not a whole Parquet file ({first_line}): {self.path}. {self.todo}"
        )

    def _check_bytes(self, file: BinaryIO) -> None:
        self._check_ends(file)
        try:
            intact = is_intact(file)
        except OSError as error:
            raise self.broken(str(error)) from None
        if not intact:
            raise self.broken("its bytes are not those that were written")

    def _check_ends(self, file: BinaryIO) -> None:
        file.seek(0)
        head, size = file.read(4), file.seek(0, os.SEEK_END)
        file.seek(max(size - 4, 0))
        if size < 12 or head != _MAGIC or file.read(4) != _MAGIC:  # noqa: PLR2004 - two magics and a length.
            raise self.broken(f"{size} bytes that do not end as a Parquet file does")


def files_at(path: UPath) -> list[UPath]:
    """The Parquet files of a file, a folder or a glob, sorted by name; hidden and unfinished ones are left out."""
    if path.is_file():
        return [path]
    found: Iterable[UPath] = (
        path.rglob("*.parquet") if path.is_dir() else path.parent.glob(path.name) if "*" in path.name else ()
    )
    return sorted((f for f in found if not f.name.startswith((".", "_"))), key=str)


def scan(files: Sequence[ParquetFile], columns: Mapping[str, pl.DataType] | None = None) -> pl.LazyFrame:
    """The rows of some files as a lazy frame; `collect` names the one that turns out to be damaged inside.

    Args:
        files: The files, at least one.
        columns: Names and types that every file has; by default all, and the same ones in each.

    Raises:
        UnreadableTableError: if one is truncated, or is not a Parquet file.
    """
    sources: list[Any] = [file.source for file in files]  # of one table: all places, or all contents.
    if columns is None:
        return pl.scan_parquet(sources, glob=False)
    return pl.scan_parquet(sources, glob=False, schema=dict(columns), extra_columns="ignore")


def collect(query: pl.LazyFrame, files: Iterable[ParquetFile]) -> pl.DataFrame:
    """The result of a query over `scan`.

    Raises:
        UnreadableTableError: naming the first of the files that is damaged, if that is why the query fails.
    """
    try:
        return query.collect()
    except _DAMAGED:
        for file in files:
            file.check()
        raise


def write(
    path: UPath,
    frame: pl.DataFrame,
    *,
    notes: Mapping[str, str] | None = None,
    groups: Sequence[int] | None = None,
) -> None:
    """Write a file whole or not at all: what fails leaves what was there, and nothing beside it.

    Args:
        path: Where; folders above it are made.
        frame: The rows.
        notes: What to keep beside them.
        groups: Rows of each row group.
    """
    arrow = arrow_of(frame)
    kept = {}
    if notes is not None:
        text = json.dumps(dict(notes), sort_keys=True)
        kept = {_NOTES: text, _NOTES_SUM: checksum(text.encode())}
    content = BytesIO()
    _write(arrow, {**kept, SUM: UNSEALED}, groups, content)
    seal(content)
    with whole_file(path) as file:
        file.write(content.getbuffer())


def arrow_of(frame: pl.DataFrame) -> pa.Table:
    """The rows as Arrow, each column in one chunk.

    Texts, bytes and lists are not the large ones of Polars, for which Feast has no type or a wrong one; those of a
    column of 2 GiB and more are.
    """
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    columns = {name: table[name] for name in table.column_names}
    return pa.table({n: c.cast(_small(c.type)) if c.nbytes <= _LARGE else c for n, c in columns.items()})


def _small(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind):
        return pa.list_(_small(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_small(field.type)) for field in kind])
    return {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(kind, kind)


def _write(arrow: pa.Table, kept: Mapping[bytes, str], groups: Sequence[int] | None, sink: BinaryIO) -> None:
    texts = [field.name for field in arrow.schema if pa.types.is_string(field.type)]
    encodings = {field.name: "BYTE_STREAM_SPLIT" for field in arrow.schema if pa.types.is_floating(field.type)}
    encodings |= {field.name: "DELTA_BINARY_PACKED" for field in arrow.schema if pa.types.is_timestamp(field.type)}
    with pq.ParquetWriter(
        sink,
        arrow.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts,
        column_encoding=encodings,
        store_schema=False,
        use_compliant_nested_type=False,  # Feast knows the values of a list by the name that Arrow gives them.
    ) as writer:
        offset = 0
        for size in groups if groups is not None else [arrow.num_rows]:
            writer.write_table(arrow.slice(offset, size), row_group_size=max(size, 1) if groups is not None else _GROUP)
            offset += size
        writer.add_key_value_metadata(dict(kept))
