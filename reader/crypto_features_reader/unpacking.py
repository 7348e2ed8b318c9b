"""One online row an entity: every feature of a view packed into a few bytes that describe themselves.

Layout: header length (u16, or 0xFFFF and u32), header, null mask, fixed-width values, then the variable-length ones.
The header names each feature and its kind, so a row outlives a change of its view's schema.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np

from crypto_features.store.errors import DamagedRowError, OutdatedTableError

_FIXED = {"double_val": "d", "float_val": "f", "int64_val": "q", "int32_val": "i", "bool_val": "?"}
"""Kind → struct code; each kind is the one field of a Feast value that holds it exactly."""
_KINDS = {*_FIXED, "string_val", "value"}
_LENGTH = struct.Struct("<H")
_SIZE = struct.Struct("<I")
_LONG = 0xFFFF
"""In place of the length of a header that does not fit into two bytes: it follows in four."""

Packer = Callable[[Sequence[Any]], bytes]


def kind_of(value_type_name: str) -> str:
    """The field of a Feast value that a value type, such as `DOUBLE`, is in; `value` for all but plain scalars."""
    kind = f"{value_type_name.lower()}_val"
    return kind if kind in _KINDS else "value"


@lru_cache(maxsize=256)
def packer(names: tuple[str, ...], kinds: tuple[str, ...]) -> Packer:
    """A function that packs values given in the order of `names`; kind `value` takes bytes.

    `None`, NaN and the infinities are null.
    """
    header = "\n".join(f"{n}:{k}" for n, k in zip(names, kinds, strict=True)).encode()
    length = _LENGTH.pack(len(header)) if len(header) < _LONG else _LENGTH.pack(_LONG) + _SIZE.pack(len(header))
    head = length + header
    mask_size = (len(names) + 7) // 8
    fixed = [i for i, k in enumerate(kinds) if k in _FIXED]
    variable = [i for i, k in enumerate(kinds) if k not in _FIXED]
    floats = [i for i, k in enumerate(kinds) if k in ("double_val", "float_val")]
    pack_fixed = struct.Struct("<" + "".join(_FIXED[kinds[i]] for i in fixed)).pack

    def pack(values: Sequence[Any]) -> bytes:
        mask = 0
        for i, value in enumerate(values):
            if value is None:
                mask |= 1 << i
        for i in floats:
            if values[i] is not None and not isfinite(values[i]):
                mask |= 1 << i
        tail = b"".join(_sized(values[i]) for i in variable)
        numbers = pack_fixed(*(0 if values[i] is None else values[i] for i in fixed))
        return head + mask.to_bytes(mask_size, "little") + numbers + tail

    return pack


def _head(payload: bytes) -> bytes:
    """The header of a packed row, with its length before it."""
    (size,) = _LENGTH.unpack_from(payload)
    if size < _LONG:
        return payload[: _LENGTH.size + size]
    (size,) = _SIZE.unpack_from(payload, _LENGTH.size)
    return payload[: _LENGTH.size + _SIZE.size + size]


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
        start = _LENGTH.size if _LENGTH.unpack_from(head)[0] < _LONG else _LENGTH.size + _SIZE.size
        parts = [part.rpartition(":")[::2] for part in head[start:].decode().split("\n")] if head[start:] else []
        names, kinds = [name for name, _ in parts], [kind for _, kind in parts]
        if not _KINDS.issuperset(kinds):
            raise ValueError(f"its header holds {kinds!r}")
        self.kinds = dict(parts)
        self.places = {name: place for place, name in enumerate(names)}
        self.variable = {name: kind for name, kind in zip(names, kinds, strict=True) if kind not in _FIXED}
        numbers = [(str(place), f"<{_FIXED[kind]}") for place, kind in enumerate(kinds) if kind in _FIXED]
        self.fixed = np.dtype([("head", f"V{len(head)}"), ("nulls", "u1", ((len(names) + 7) // 8,)), *numbers])

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
        size, sizes = self.fixed.itemsize, set(map(len, payloads))
        if min(sizes) < size or not (self.variable or sizes == {size}):
            raise ValueError(f"it has not the {size} bytes of its values")
        rows = np.frombuffer(b"".join([p[:size] for p in payloads] if self.variable else payloads), self.fixed)
        nulls = rows["nulls"] if rows["nulls"].any() else None
        tails = self._tails(payloads) if any(name in self.variable for name, _ in wanted) else {}
        found: list[list[Any]] = []
        for name, _ in wanted:
            place = self.places.get(name)
            if place is None:
                found.append([None] * len(payloads))
                continue
            column = tails[name] if name in tails else rows[str(place)].tolist()
            if nulls is not None:
                for row in np.flatnonzero(nulls[:, place // 8] >> place % 8 & 1).tolist():
                    column[row] = None
            found.append(column)
        return found

    def _tails(self, payloads: Sequence[bytes]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in self.variable}
        for payload in payloads:
            at = self.fixed.itemsize
            for name, kind in self.variable.items():
                end = at + 4 + _SIZE.unpack_from(payload, at)[0]
                raw = payload[at + 4 : end]
                found[name].append(raw.decode() if kind == "string_val" else raw)
                at = end
            if at != len(payload):
                raise ValueError(f"it has {len(payload)} bytes in place of {at}")
        return found


def _sized(value: str | bytes | None) -> bytes:
    raw = value.encode() if isinstance(value, str) else value or b""
    return _SIZE.pack(len(raw)) + raw
