"""What tells whether two training sets hold the same rows, whatever wrote their files."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import polars as pl

from crypto_features.versions.provenance import content_digest

GROUP = 1_048_576
"""Rows of a row group."""
_CHUNK = 2**20


def group_digests(rows: pl.DataFrame) -> list[str]:
    """The digest of the content of each row group of a month."""
    return [content_digest(part) for part in rows.iter_slices(GROUP)]


def set_digest(files: Iterable[Mapping[str, Any]], schema: Mapping[str, str]) -> str:
    """The digest of a set: of its columns and of the content of each row group, in their order.

    Args:
        files: `path` and `row_groups` of each file.
        schema: The type of each column.
    """
    columns = [f"column {name} {dtype}" for name, dtype in schema.items()]
    groups = [f"{file['path']} {number} {one}" for file in files for number, one in enumerate(file["row_groups"])]
    return hashlib.sha256("\n".join([*columns, *groups]).encode()).hexdigest()


def types_of(schema: pl.Schema) -> dict[str, str]:
    """The type of each column, as text."""
    return {name: str(dtype) for name, dtype in schema.items()}


def sha256(file: BinaryIO) -> str:
    """The digest of a file's bytes."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    """The number of the first row group that differs; `None` if none does."""
    for number in range(max(len(one), len(other))):
        if one[number : number + 1] != other[number : number + 1]:
            return number
    return None
