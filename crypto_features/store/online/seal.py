"""A checksum in each stored row, so that a bit that rots is an error and never another value."""

import struct
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from crypto_features.store.errors import DamagedRowError
from crypto_features.store.online.backend import StoredRow

_MARK = b"\xff\xffrow1"
"""Stands before the checksum. Rows of version 0.1 have none, and none of them begins so."""
_SEAL = struct.Struct(f"<{len(_MARK)}sI")
_STAMPS = struct.Struct("<qq")


def sealed(table: str, row: StoredRow) -> StoredRow:
    """A row as it is stored: its payload begins with a checksum of table, key, stamps and payload."""
    return row._replace(payload=_SEAL.pack(_MARK, _checksum(table, row)) + row.payload)


def unsealed(place: str, table: str, fields: Sequence[Any]) -> StoredRow:
    """A row as it was before it was sealed. One of version 0.1, which has no checksum, is taken as it is.

    Args:
        place: The database, for the error.
        table: Where the row was found.
        fields: Key, stamps and payload as they are stored; after a bit flip they may have other types.

    Raises:
        DamagedRowError: if the row is not the one that was written.
    """
    try:
        row = StoredRow._make(fields)
        if not row.payload.startswith(_MARK):
            return row
        _, checksum = _SEAL.unpack_from(row.payload)
        written = row._replace(payload=row.payload[_SEAL.size :])
        intact = checksum == _checksum(table, written)
    except (AttributeError, TypeError, struct.error):
        intact = False
    if not intact:
        raise damaged(place, table, fields[0])
    return written


def damaged(place: str, table: str, key: object) -> DamagedRowError:
    """The error of a row that is not the one that was written."""
    return DamagedRowError(
        f"{place}: the row {key!r} of {table} is damaged. Delete this row, or all of {place}, and publish again."
    )


def _checksum(table: str, row: StoredRow) -> int:
    return crc32(row.payload, crc32(_STAMPS.pack(row.event, row.created), crc32(row.key, crc32(table.encode()))))
