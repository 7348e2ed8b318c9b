"""What a published partition says about where it came from, in its Parquet metadata (a regime model in its JSON).

The plan compares these notes with the present declarations and inputs, without reading a table.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

import polars as pl

from crypto_features.features.completeness import COMPLETENESS
from crypto_features.features.declaration import FeatureGroup
from crypto_features.features.lineage import lineage

FINGERPRINTS = "fingerprints"
"""Metadata key: the fingerprint of each feature, as JSON."""
COLUMNS = "columns"
"""Metadata key: the digest of each column's content, as JSON."""
INPUTS = "inputs"
"""Metadata key: by input table and month, the digest of the columns that were read, as JSON."""
SERVICE = "service"
"""Metadata key of a training set: the service, the features that it reads by view, and the versions that it pins."""

KEYS = ("symbol", "open_time", "event_timestamp", "month")
"""What tells the rows of a table apart; each table has some of them."""
_VERSIONS = ("known_at", "created_timestamp")


def partition_metadata(
    frame: pl.DataFrame,
    fingerprints: Mapping[str, str],
    inputs: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """The notes to publish a partition with, beside the run's id and the time.

    Args:
        frame: The rows as published.
        fingerprints: Of the code: `feature_fingerprints(group)` of a feature table, `{}` of candles.
        inputs: What `input_digest` gave, by input table and month, for every month that was read.
    """
    return {
        FINGERPRINTS: json.dumps(dict(fingerprints), sort_keys=True),
        COLUMNS: json.dumps(column_digests(frame), sort_keys=True),
        INPUTS: json.dumps({table: dict(months) for table, months in inputs.items()}, sort_keys=True),
    }


def column_digests(frame: pl.DataFrame) -> dict[str, str]:
    """Digest of the content of each column, to the bit, without the times at which rows were seen or computed."""
    return {name: _digest(frame[name]) for name in frame.columns if name not in _VERSIONS}


def columns_read(group: FeatureGroup, table: str) -> tuple[str, ...]:
    """The columns of an input table that reach a feature of the group, its keys and `completeness` included."""
    used = {column for sources in lineage(group).values() for name, column in sources if name == table}
    return (*KEYS, *sorted(used | {COMPLETENESS}))


def input_digest(columns: Mapping[str, str], read: Iterable[str] | None = None) -> str:
    """One digest of those columns of an input's partition that are read (all by default).

    Args:
        columns: The partition's own `COLUMNS` note.
        read: Names of the columns that matter, as `columns_read` gives them.
    """
    names = sorted(columns if read is None else set(read) & columns.keys())
    return _hex("|".join(f"{name}={columns[name]}" for name in names).encode())


def _digest(column: pl.Series) -> str:
    if column.dtype == pl.String:
        runs = column.fill_null("\0").rle().struct.unnest()
        return _hex(repr(runs.rows()).encode())
    values = column.to_physical().fill_null(0).to_numpy()
    nulls = column.is_null().to_numpy()
    return _hex(
        f"{column.dtype}{len(column)}".encode(),
        values.astype(values.dtype.newbyteorder("<")).tobytes(),
        nulls.tobytes(),
    )


def _hex(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
