"""The tables behind a Feast `FileSource`: where they are, which of their files a question needs, and in which types.

A source is a file, a folder of files, a glob or a bucket URL; its files are read and written by the lake.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import polars as pl
from feast import FileSource
from feast.data_source import DataSource
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake import parquet
from crypto_features.lake.parquet import ParquetFile
from crypto_features.lake.path_parts import kept_name
from crypto_features.lake.table import SYMBOLS, is_of
from crypto_features.store.errors import MissingTableError, OutdatedTableError
from crypto_features.store.fit import fitted
from crypto_features.store.offline.join import utc
from crypto_features.whole_file import on_disk, sync_folder

_ONLY = "part-0.parquet"


def resolve(source: DataSource, repo: Path | None) -> UPath:
    """Where the source lies; a relative path starts at the feature repository, as in Feast.

    Raises:
        InputError: if it is not a Parquet `FileSource`.
    """
    if not isinstance(source, FileSource):
        raise InputError(f"{type(source).__name__} {source.name!r} is not supported; declare a FileSource.")
    kind = type(source.file_format).__name__
    if source.file_format is not None and kind != "ParquetFormat":
        raise InputError(f"source {source.name!r} has the format {kind}; this store reads ParquetFormat.")
    path = UPath(source.path, **_options(source))
    return UPath(repo or ".") / source.path if on_disk(path) is not None and not path.is_absolute() else path


def on_disk_name(source: DataSource, column: str) -> str:
    """The name that a column of a view has in the files of its source."""
    stored: dict[str, str] = {new: old for old, new in (source.field_mapping or {}).items()}
    return stored.get(column, column)


def files(path: UPath) -> list[ParquetFile]:
    """The Parquet files of a source, sorted by name."""
    todo = f"Delete it and compute its partition again; the other files of {path} are unharmed."
    return [ParquetFile(file, "a file", todo) for file in parquet.files_at(path)]


def of_version(path: UPath, behaviour: str) -> list[ParquetFile]:
    """The files of a folder, with those that were kept of a version in place of the files of another version."""
    held = {file.path.name: file for file in files(path)}
    kept = files(path.with_name(kept_name(path.name, behaviour))) if behaviour else []
    for file in kept:
        published = held.get(file.path.name)
        if published is None or not is_of(published, behaviour):
            held[file.path.name] = file
    return [held[name] for name in sorted(held)]


def read(
    source: DataSource,
    repo: Path | None,
    columns: Sequence[str],
    *,
    time: str,
    created: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    only: Sequence[ParquetFile] | None = None,
) -> pl.DataFrame:
    """The columns asked for, of the rows with `start <= time <= end`; files outside that span are not read.

    Files may hold the times of one column in several units or zones; these are read as microseconds in UTC.

    Args:
        source: The source.
        repo: Where a relative path starts.
        columns: The columns.
        time: Column of the event time.
        created: Column of the created time.
        start: The first time; by default the oldest.
        end: The last time; by default the newest.
        only: The files that are read; by default all of the source.

    Raises:
        MissingTableError: if there is no Parquet file.
        InputError: if `time` or `created` holds no times, such as texts or numbers.
        UnreadableTableError: if a file is truncated or is not a Parquet file.
        UnknownNameError: if a column does not exist.
        OutdatedTableError: if files of that span lack a column that newer ones have, or hold another type of it. Nulls
            in its place would be a training set that looks complete.
    """
    path = resolve(source, repo)
    found = files(path) if only is None else [*only]
    if not found:
        raise MissingTableError(
            f"no Parquet file at {path} for the source {source.name!r}; materialize the asset, "
            "or write the table, that this source reads first."
        )
    for file in found:
        _require_times(file, time, created)
    newest = {name: dtype for file in found for name, dtype in file.schema.items()}
    needed: dict[str, pl.DataType] = {}
    for column in (*columns, time):
        if column not in newest:
            raise UnknownNameError("column", column, newest, f"Read from {path}.")
        needed[column] = newest[column]
    current = [file for file in found if all(_alike(file.schema.get(n), t) for n, t in needed.items())]
    outdated = [file for file in found if file not in current and touches(file, time, start, end)]
    if outdated:
        raise _outdated(path, outdated, needed)
    held = [{name: file.schema[name] for name in needed} for file in current]
    mixed = [name for name in needed if len({types[name] for types in held}) > 1]
    columns = list(dict.fromkeys(columns))
    tables = [
        parquet.scan([current[place] for place, _ in group], types)
        .filter(*_within(time, types[time], start, end))
        .select(columns)
        .with_columns(utc(pl.col(name)) for name in mixed if name in columns)
        for types, group in groupby(enumerate(held), key=lambda numbered: numbered[1])
    ]
    # In one chunk: picking rows from many chunks takes eight times as long.
    return parquet.collect(pl.concat(tables), current).rechunk()


def symbols(source: DataSource, repo: Path | None) -> Iterator[set[str]]:
    """The symbols of each file, newest first: those that it notes, else those of its rows; none of a file without any.

    Raises:
        UnreadableTableError: if a file is truncated or is not a Parquet file.
    """
    for file in reversed(files(resolve(source, repo))):
        noted = file.notes().get(SYMBOLS)
        if noted is not None:
            yield set(json.loads(noted))
        elif "symbol" in file.schema:
            yield {*parquet.collect(parquet.scan([file]).select(pl.col("symbol").unique()), [file])["symbol"]} - {None}


def _require_times(file: ParquetFile, *columns: str | None) -> None:
    for column in columns:
        dtype = file.schema.get(column) if column else None
        if dtype is not None and not isinstance(dtype, pl.Datetime | pl.Date | pl.Null):
            raise InputError(
                f"{file.path}: the column {column!r} holds {dtype}; expected timestamps, naive ones in UTC. "
                "Write the file again with that column as timestamps."
            )


def _alike(one: pl.DataType | None, other: pl.DataType) -> bool:
    """Whether two types are one type up to the unit and the zone of times."""
    return one == other or (isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime))


def _within(time: str, dtype: pl.DataType, start: datetime | None, end: datetime | None) -> list[pl.Expr]:
    # Statistics prune by a plain column, not by a computed one.
    aware = isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"
    when = pl.col(time) if aware else utc(pl.col(time))
    bounds = [(start, when.ge), (end, when.le)]
    return [keep(pl.lit(bound, pl.Datetime("us", "UTC"))) for bound, keep in bounds if bound is not None]


def touches(file: ParquetFile, time: str, start: datetime | None, end: datetime | None) -> bool:
    """Whether a file has rows of that span."""
    if time not in file.schema:
        return True
    rows = parquet.scan([file]).filter(*_within(time, file.schema[time], start, end))
    return not parquet.collect(rows.select(time).head(1), [file]).is_empty()


def _outdated(path: UPath, outdated: Sequence[ParquetFile], needed: Mapping[str, pl.DataType]) -> OutdatedTableError:
    schema = outdated[0].schema
    column = next(name for name, dtype in needed.items() if not _alike(schema.get(name), dtype))
    held = f"hold it as {schema[column]}" if column in schema else "lack it"
    return OutdatedTableError(
        f"the newest files of {path} have the column {column!r} as {needed[column]}; {len(outdated)} older ones that "
        f"are needed too {held}: {', '.join(file.path.stem for file in outdated)}. "
        "Compute these months again, crypto-features plan --run, or write the files of a table of your own again."
    )


def replace(frame: pl.DataFrame, path: UPath) -> None:
    """Make a file, or a folder of one file, hold these rows and nothing else; a reader sees the old or the new ones."""
    if path.suffix == ".parquet":
        parquet.write(path, frame)
        return
    if {file.path.name for file in files(path)} <= {_ONLY}:
        parquet.write(path / _ONLY, frame)
        return
    beside, old = (path.with_name(f".{path.name}.{uuid4().hex}") for _ in range(2))
    try:
        parquet.write(beside / _ONLY, frame)
        path.rename(old)
    except BaseException:
        _remove(beside)
        raise
    beside.rename(path)
    if (place := on_disk(path)) is not None:
        sync_folder(place.parent)
    _remove(old)


def _remove(folder: UPath) -> None:
    for file in sorted(folder.rglob("*"), key=str, reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    if folder.is_dir():
        folder.rmdir()


def append(frame: pl.DataFrame, path: UPath) -> None:
    """Add rows, in the types that the newest file has: a file is replaced, a folder receives another file.

    Raises:
        InputError: if a value does not fit; nothing is written then.
    """
    held = files(path)
    if held:
        frame = frame.select(fitted(frame[name], dtype) for name, dtype in held[-1].schema.items())
    if path.suffix != ".parquet":
        parquet.write(path / f"{uuid4().hex}.parquet", frame)
        return
    parquet.write(path, pl.concat([frame, parquet.collect(parquet.scan(held), held)]) if held else frame)


def _options(source: FileSource) -> dict[str, str]:
    return {"endpoint_url": source.s3_endpoint_override} if source.s3_endpoint_override else {}
