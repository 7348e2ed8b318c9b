"""Reads and writes the Parquet files behind a Feast `FileSource`: a file, a folder of files, a glob or a bucket URL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
from feast import FileSource
from feast.data_source import DataSource
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.store.errors import MissingTableError, UnreadableTableError
from crypto_features.store.offline.join import utc


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


def read(
    source: DataSource,
    repo: Path | None,
    columns: Sequence[str],
    *,
    time: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """The columns asked for, of the rows with `start <= time <= end`; files outside that span are not read.

    Raises:
        MissingTableError: if there is no Parquet file.
        UnreadableTableError: if a file is truncated or is no Parquet file.
        UnknownNameError: if a column does not exist.
    """
    path = resolve(source, repo)
    found = files(path)
    if not found:
        raise MissingTableError(
            f"no Parquet file at {path} for the source {source.name!r}; materialize the asset, "
            "or write the table, that this source reads first."
        )
    try:
        table = pl.scan_parquet([str(f) for f in found], storage_options=_storage(path), missing_columns="insert")
        have = table.collect_schema()
        for column in columns:
            if column not in have:
                raise UnknownNameError("column", column, have.names(), f"Read from {path}.")
        when = utc(pl.col(time)) if _naive(have[time]) else pl.col(time)
        for bound, keep in ((start, when.ge), (end, when.le)):
            if bound is not None:
                table = table.filter(keep(pl.lit(bound, pl.Datetime("us", "UTC"))))
        # In one chunk: picking rows from many chunks takes eight times as long.
        return table.select(list(dict.fromkeys(columns))).collect().rechunk()
    except (pl.exceptions.PolarsError, OSError) as error:
        bad = _first_unreadable(found)
        if bad is None:
            raise
        raise UnreadableTableError(
            f"{bad} is truncated or is no Parquet file; the other files of {path} are unharmed. "
            "Delete it and compute its partition again."
        ) from error


def write(frame: pl.DataFrame, path: UPath) -> None:
    """Write one Parquet file beside its place and move it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    with beside.open("wb") as file:
        frame.write_parquet(file, compression="zstd")
    beside.rename(path)


def append(frame: pl.DataFrame, path: UPath) -> None:
    """Add rows: a file is written anew with them, a folder receives another file."""
    if path.suffix != ".parquet":
        write(frame, path / f"{uuid4().hex}.parquet")
        return
    if path.is_file():
        old = pl.read_parquet(str(path))
        frame = pl.concat([frame.cast(old.schema), old])
    write(frame, path)


def _naive(dtype: pl.DataType) -> bool:
    return not (isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC")


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
