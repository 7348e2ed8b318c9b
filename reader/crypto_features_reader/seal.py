"""A checksum in each stored row, so that a bit that rots is an error and never another value."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from zlib import crc32

from crypto_features_reader.backend import StoredRow
from crypto_features_reader.errors import DamagedRowError

_MARK = b"\xff\xffrow1"
"""Stands before the checksum. Rows of version 0.1 have none, and none of them begins so."""
_SUM, _BODY = slice(len(_MARK), len(_MARK) + 4), len(_MARK) + 4
_STAMPS = struct.Struct("<qq")
_TYPES = (bytes, int, int, bytes)


def sealed(table: str, row: StoredRow) -> StoredRow:
    """A row as it is stored: its payload begins with a checksum of table, key, stamps and payload."""
    return row._replace(payload=_MARK + _checksum(table, *row) + row.payload)


def unsealed(place: str, table: str, fields: Sequence[Any]) -> StoredRow:
    """A row as it was before it was sealed. One of version 0.1, which has no checksum, is taken as it is.

    Args:
        place: The database, for the error.
        table: Where the row was found.
        fields: Key, stamps and payload as they are stored; after a bit flip they may have other types.

    Raises:
        DamagedRowError: if the row is not the one that was written.
    """
    if tuple(map(type, fields)) != _TYPES:
        raise damaged(place, table, fields[0])
    key, event, created, payload = fields
    if not payload.startswith(_MARK):
        return StoredRow(key, event, created, payload)
    body = payload[_BODY:]
    if payload[_SUM] != _checksum(table, key, event, created, body):
        raise damaged(place, table, key)
    return StoredRow(key, event, created, body)


def damaged(place: str, table: str, key: object) -> DamagedRowError:
    """The error of a row that is not the one that was written."""
    return DamagedRowError(
        f"{place}: the row {key!r} of {table} is damaged. Delete this row, or all of {place}, and publish again."
    )


def _checksum(table: str, key: bytes, event: int, created: int, payload: bytes) -> bytes:
    # The stamps have a fixed size, so it is plain where the key begins.
    return crc32(payload, crc32(_STAMPS.pack(event, created) + key, _of_table(table))).to_bytes(4, "little")


@lru_cache(maxsize=256)
def _of_table(table: str) -> int:
    return crc32(table.encode())
