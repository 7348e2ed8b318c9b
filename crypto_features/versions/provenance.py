"""What a published partition says about where it came from, in its Parquet metadata (a regime model in its JSON).

The plan compares these notes with the present declarations and inputs, without reading a table.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

import polars as pl

FINGERPRINTS = "fingerprints"
"""Metadata key: the fingerprint of each feature, as JSON."""
COLUMNS = "columns"
"""Metadata key: the digest of each column's content, as JSON."""
INPUTS = "inputs"
"""Metadata key: by input table and month, the digest of the columns that were read, as JSON."""
DEFINITIONS = "definitions"
"""Metadata key: the digest of each feature's definition, as JSON."""
PUBLISHED_AT = "published_at"
"""Metadata key: when a partition was published, ISO 8601."""
CPU_MS = "cpu_ms"
"""Metadata key: how many milliseconds of processor time reading the inputs and computing the rows took."""
SERVICE = "service"
"""Metadata key of a training set: the service, the features that it reads by view, and the versions that it pins."""

STAMPS = ("known_at", "created_timestamp")
"""The times at which rows were seen or computed, which are no part of a partition's content."""


def partition_metadata(
    frame: pl.DataFrame,
    fingerprints: Mapping[str, str],
    inputs: Mapping[str, Mapping[str, str]],
    definitions: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The notes to publish a partition with, beside the run's id and the time.

    Args:
        frame: The rows as published.
        fingerprints: Of the code: `feature_fingerprints(group)` of a feature table, `{}` of candles.
        inputs: What `input_digest` gave, by input table and month, for every month that was read.
        definitions: Of the code, by column.
    """
    return {
        FINGERPRINTS: json.dumps(dict(fingerprints), sort_keys=True),
        DEFINITIONS: json.dumps(dict(definitions or {}), sort_keys=True),
        COLUMNS: json.dumps(column_digests(frame), sort_keys=True),
        INPUTS: json.dumps({table: dict(months) for table, months in inputs.items()}, sort_keys=True),
    }


def column_digests(frame: pl.DataFrame) -> dict[str, str]:
    """Digest of the content of each column, to the bit, without the times at which rows were seen or computed."""
    return {name: _digest(frame[name]) for name in frame.columns if name not in STAMPS}


def content_digest(frame: pl.DataFrame) -> str:
    """Digest of all columns, in the order of the rows; column order does not count, nor do `STAMPS`.

    >>> a = pl.DataFrame({"x": [1.0, None], "y": ["a", "b"]})
    >>> content_digest(a) == content_digest(a.select("y", "x"))
    True
    """
    return input_digest(column_digests(frame))


def input_digest(columns: Mapping[str, str], read: Iterable[str] | None = None) -> str:
    """One digest of those columns of an input's partition that are read (all by default).

    Args:
        columns: The partition's own `COLUMNS` note.
        read: Names of the columns that matter, as `columns_read` gives them.
    """
    names = sorted(columns if read is None else set(read) & columns.keys())
    return _hex("|".join(f"{name}={columns[name]}" for name in names).encode())


def _digest(column: pl.Series) -> str:
    if column.dtype == pl.List:
        lengths = column.list.len()
        return _hex(_digest(lengths).encode(), _digest(column.explode(empty_as_null=False, keep_nulls=False)).encode())
    if column.dtype in (pl.String, pl.Binary):
        runs = column.fill_null("\0").rle().struct.unnest()
        return _hex(repr(runs.rows()).encode())
    values = column.to_physical().fill_null(0).to_numpy()
    nulls = column.is_null().to_numpy()
    return _hex(
        f"{column.dtype}{len(column)}".encode(),
        values.astype(values.dtype.newbyteorder("<"), copy=False).data,
        nulls.data,
    )


def _hex(*parts: bytes | memoryview) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
