"""Reads and writes the Parquet files behind a Feast `FileSource`: a file, a folder of files, a glob or a bucket URL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import polars as pl
from feast import FileSource
from feast.data_source import DataSource
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.names import kept_name
from crypto_features.store.errors import MissingTableError, OutdatedTableError, UnreadableTableError
from crypto_features.store.fit import fitted
from crypto_features.store.offline.join import utc

_ONLY = "part-0.parquet"
_AS_FEAST_READS = {"store_schema": False, "use_compliant_nested_type": False}
"""Polars would note that its lists and texts are large ones, for which `feast apply` has no type or a wrong one."""


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
    local = path.protocol in ("", "file")
    return UPath(repo or ".") / source.path if local and not path.is_absolute() else path


def files(path: UPath) -> list[UPath]:
    """The Parquet files of a file, a folder or a glob, sorted by name; hidden and unfinished ones are left out."""
    if path.is_file():
        return [path]
    found: Iterable[UPath] = (
        path.rglob("*.parquet") if path.is_dir() else path.parent.glob(path.name) if "*" in path.name else ()
    )
    return sorted((f for f in found if not f.name.startswith((".", "_"))), key=str)


def of_version(path: UPath, behaviour: str) -> list[UPath]:
    """The files of a folder, with those that were kept of a version in place of the files of their name."""
    kept = files(path.with_name(kept_name(path.name, behaviour))) if behaviour else []
    return sorted({**{f.name: f for f in files(path)}, **{f.name: f for f in kept}}.values(), key=lambda f: f.name)


def read(
    source: DataSource,
    repo: Path | None,
    columns: Sequence[str],
    *,
    time: str,
    created: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    only: Sequence[UPath] | None = None,
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
        UnreadableTableError: if a file is truncated or is no Parquet file.
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
    columns = list(dict.fromkeys(columns))
    try:
        schemas = {f: pl.scan_parquet(str(f), storage_options=_storage(path)).collect_schema() for f in found}
        for file, schema in schemas.items():
            _require_times(file, schema, time, created)
        newest = {name: dtype for schema in schemas.values() for name, dtype in schema.items()}
        needed = {}
        for column in (*columns, time):
            if column not in newest:
                raise UnknownNameError("column", column, newest, f"Read from {path}.")
            needed[column] = newest[column]
        current = [file for file, schema in schemas.items() if all(_alike(schema.get(n), t) for n, t in needed.items())]
        outdated = [file for file in found if file not in current and _touches(file, schemas[file], time, start, end)]
        if outdated:
            raise _outdated(path, outdated, needed, schemas[outdated[0]])
        held = [{name: schemas[file][name] for name in needed} for file in current]
        mixed = [name for name in needed if len({types[name] for types in held}) > 1]
        tables = [
            pl.scan_parquet(
                [str(current[place]) for place, _ in group],
                schema=types,
                extra_columns="ignore",
                storage_options=_storage(path),
            )
            .filter(*_within(time, types[time], start, end))
            .select(columns)
            .with_columns(utc(pl.col(name)) for name in mixed if name in columns)
            for types, group in groupby(enumerate(held), key=lambda numbered: numbered[1])
        ]
        # In one chunk: picking rows from many chunks takes eight times as long.
        return pl.concat(tables).collect().rechunk()
    except (pl.exceptions.PolarsError, OSError) as error:
        bad = _first_unreadable(found)
        if bad is None:
            raise
        raise UnreadableTableError(
            f"{bad} is truncated or is no Parquet file; the other files of {path} are unharmed. "
            "Delete it and compute its partition again."
        ) from error


def touched(found: Iterable[UPath], time: str, start: datetime | None, end: datetime | None) -> list[UPath]:
    """Those of some files that have rows of that span."""
    schemas = {f: pl.scan_parquet(str(f), storage_options=_storage(f)).collect_schema() for f in found}
    return [file for file, schema in schemas.items() if _touches(file, schema, time, start, end)]


def _require_times(file: UPath, schema: pl.Schema, *columns: str | None) -> None:
    for column in columns:
        dtype = schema.get(column) if column else None
        if dtype is not None and not isinstance(dtype, pl.Datetime | pl.Date | pl.Null):
            raise InputError(
                f"{file}: the column {column!r} holds {dtype}; expected timestamps, naive ones in UTC. "
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


def _touches(file: UPath, schema: pl.Schema, time: str, start: datetime | None, end: datetime | None) -> bool:
    if time not in schema:
        return True
    rows = pl.scan_parquet(str(file), storage_options=_storage(file)).filter(*_within(time, schema[time], start, end))
    return not rows.select(time).head(1).collect().is_empty()


def _outdated(
    path: UPath, outdated: Sequence[UPath], needed: Mapping[str, pl.DataType], schema: pl.Schema
) -> OutdatedTableError:
    column = next(name for name, dtype in needed.items() if not _alike(schema.get(name), dtype))
    held = f"hold it as {schema[column]}" if column in schema else "lack it"
    return OutdatedTableError(
        f"the newest files of {path} have the column {column!r} as {needed[column]}; {len(outdated)} older ones that "
        f"are needed too {held}: {', '.join(file.stem for file in outdated)}. "
        "Compute these months again, crypto-features plan --run, or write the files of a table of your own again."
    )


def write(frame: pl.DataFrame, path: UPath) -> None:
    """Write one Parquet file beside its place and move it there in one step; what fails leaves nothing beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with beside.open("wb") as file:
            frame.write_parquet(file, compression="zstd", use_pyarrow=True, pyarrow_options=_AS_FEAST_READS)
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def replace(frame: pl.DataFrame, path: UPath) -> None:
    """Make a file, or a folder of one file, hold these rows and nothing else; a reader sees the old or the new ones."""
    if path.suffix == ".parquet":
        write(frame, path)
        return
    if {file.name for file in files(path)} <= {_ONLY}:
        write(frame, path / _ONLY)
        return
    beside, old = (path.with_name(f".{path.name}.{uuid4().hex}") for _ in range(2))
    try:
        write(frame, beside / _ONLY)
        path.rename(old)
    except BaseException:
        _remove(beside)
        raise
    beside.rename(path)
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
        schema = pl.scan_parquet(str(held[-1]), storage_options=_storage(path)).collect_schema()
        frame = frame.select(fitted(frame[name], dtype) for name, dtype in schema.items())
    if path.suffix != ".parquet":
        write(frame, path / f"{uuid4().hex}.parquet")
        return
    write(pl.concat([frame, pl.read_parquet(str(path))]) if held else frame, path)


def _first_unreadable(found: Iterable[UPath]) -> UPath | None:
    for file in found:
        try:
            pl.scan_parquet(str(file)).collect()
        except (pl.exceptions.PolarsError, OSError):
            return file
    return None


def _options(source: FileSource) -> dict[str, str]:
    return {"endpoint_url": source.s3_endpoint_override} if source.s3_endpoint_override else {}


def _storage(path: UPath) -> dict[str, str] | None:
    endpoint = path.storage_options.get("endpoint_url")
    return {"aws_endpoint_url": endpoint} if endpoint else None
