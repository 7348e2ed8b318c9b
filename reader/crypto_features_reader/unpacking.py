"""One online row an entity: every feature of a view packed into a few bytes that describe themselves.

Layout: header length (u16, or 0xFFFF and u32), header, null mask, fixed-width values, then the variable-length ones.
The header names each feature and its kind, so a row outlives a change of its view's schema.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from crypto_features_reader.errors import DamagedRowError, OutdatedTableError

FIXED = {"double_val": "d", "float_val": "f", "int64_val": "q", "int32_val": "i", "bool_val": "?"}
"""Kind → struct code; each kind is the one field of a Feast value that holds it exactly."""
_KINDS = {*FIXED, "string_val", "value"}
LENGTH = struct.Struct("<H")
SIZE = struct.Struct("<I")
LONG = 0xFFFF
"""In place of the length of a header that does not fit into two bytes: it follows in four."""


def kind_of(value_type_name: str) -> str:
    """The field of a Feast value that a value type, such as `DOUBLE`, is in; `value` for all but plain scalars."""
    kind = f"{value_type_name.lower()}_val"
    return kind if kind in _KINDS else "value"


def _head(payload: bytes) -> bytes:
    """The header of a packed row, with its length before it."""
    (size,) = LENGTH.unpack_from(payload)
    if size < LONG:
        return payload[: LENGTH.size + size]
    (size,) = SIZE.unpack_from(payload, LENGTH.size)
    return payload[: LENGTH.size + SIZE.size + size]


def unpack_columns(payloads: Sequence[bytes | None], wanted: Sequence[tuple[str, str]]) -> list[list[Any]]:
    """The values of some features of many packed rows, a list for each; no row, or no such feature, is `None`.

    Args:
        payloads: Packed rows.
        wanted: Features, each with the kind that is expected of it.

    Raises:
        OutdatedTableError: if a row holds another kind of a feature.
        DamagedRowError: if a payload is not a packed row.
    """
    present = [payload for payload in payloads if payload is not None]
    if not present:
        return [[None] * len(payloads) for _ in wanted]
    try:
        head = _head(present[0])
        if all(payload.startswith(head) for payload in present):
            found = _Layout.of(head).columns(present, wanted)
        else:
            # While a changed schema is being published, rows of both layouts are in one table.
            parts = [_Layout.of(_head(payload)).columns([payload], wanted) for payload in present]
            found = [[value for part in column for value in part] for column in zip(*parts, strict=True)]
    except (struct.error, ValueError) as error:
        raise DamagedRowError(f"a stored row is damaged ({error}). Publish its view again.") from None
    if len(present) == len(payloads):
        return found
    columns = map(iter, found)
    return [[None if payload is None else next(column) for payload in payloads] for column in columns]


class _Layout:
    """Where each feature is in the rows that begin with one header."""

    def __init__(self, head: bytes) -> None:
        start = LENGTH.size if LENGTH.unpack_from(head)[0] < LONG else LENGTH.size + SIZE.size
        parts = [part.rpartition(":")[::2] for part in head[start:].decode().split("\n")] if head[start:] else []
        names, kinds = [name for name, _ in parts], [kind for _, kind in parts]
        if not _KINDS.issuperset(kinds):
            raise ValueError(f"its header holds {kinds!r}")
        self.kinds = dict(parts)
        self.places = {name: place for place, name in enumerate(names)}
        self.variable = {name: kind for name, kind in zip(names, kinds, strict=True) if kind not in FIXED}
        self.numbers = {name: FIXED[kind] for name, kind in zip(names, kinds, strict=True) if kind in FIXED}
        self.start = f"<{len(head)}x{(len(names) + 7) // 8}s"
        self.size = struct.calcsize(self.start + "".join(self.numbers.values()))
        self.structs: dict[frozenset[str], struct.Struct] = {}

    @staticmethod
    @lru_cache(maxsize=256)
    def of(head: bytes) -> "_Layout":
        return _Layout(head)

    def columns(self, payloads: Sequence[bytes], wanted: Sequence[tuple[str, str]]) -> list[list[Any]]:
        for name, kind in wanted:
            if self.kinds.get(name, kind) != kind:
                raise OutdatedTableError(
                    f"the feature {name!r} is stored online as {self.kinds[name]} and its view declares it as {kind}; "
                    "publish the view again."
                )
        size, sizes = self.size, set(map(len, payloads))
        if min(sizes) < size or not (self.variable or sizes == {size}):
            raise ValueError(f"it has not the {size} bytes of its values")
        names = frozenset(name for name, _ in wanted)
        rows = b"".join([payload[:size] for payload in payloads] if self.variable else payloads)
        nulls, *numbers = zip(*self._struct(names).iter_unpack(rows), strict=True)
        columns: dict[str, Sequence[Any]] = dict(zip((n for n in self.numbers if n in names), numbers, strict=True))
        if not names.isdisjoint(self.variable):
            columns |= self._tails(payloads)
        found = [[*columns[name]] if name in columns else [None] * len(payloads) for name, _ in wanted]
        for row, mask in enumerate(nulls):
            if any(mask):
                for (name, _), column in zip(wanted, found, strict=True):
                    place = self.places.get(name, 0)
                    if mask[place // 8] >> place % 8 & 1:
                        column[row] = None
        return found

    def _struct(self, names: frozenset[str]) -> struct.Struct:
        """What reads the null mask and those of the fixed-width values of a row that are asked for."""
        known = self.structs.get(names)
        if known is None:
            parts = (code if name in names else f"{struct.calcsize(code)}x" for name, code in self.numbers.items())
            known = self.structs[names] = struct.Struct(self.start + "".join(parts))
        return known

    def _tails(self, payloads: Sequence[bytes]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in self.variable}
        for payload in payloads:
            at = self.size
            for name, kind in self.variable.items():
                end = at + 4 + SIZE.unpack_from(payload, at)[0]
                raw = payload[at + 4 : end]
                found[name].append(raw.decode() if kind == "string_val" else raw)
                at = end
            if at != len(payload):
                raise ValueError(f"it has {len(payload)} bytes in place of {at}")
        return found
