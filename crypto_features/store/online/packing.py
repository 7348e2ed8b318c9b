"""One online row an entity: every feature of a view packed into a few bytes that describe themselves.

Layout: header length (u16), header, null mask, fixed-width values, then the variable-length ones. The header names each
feature and its kind, so a row outlives a change of its view's schema.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

# Kind → struct code; each is the one field of a Feast value that holds it exactly.
_FIXED = {"double_val": "d", "float_val": "f", "int64_val": "q", "int32_val": "i", "bool_val": "?"}
_NUMPY = {"double_val": "<f8", "float_val": "<f4", "int64_val": "<i8", "int32_val": "<i4", "bool_val": "?"}
_KINDS = {
    "DOUBLE": "double_val",
    "FLOAT": "float_val",
    "INT64": "int64_val",
    "INT32": "int32_val",
    "BOOL": "bool_val",
    "STRING": "string_val",
}
_LENGTH = struct.Struct("<H")
_SIZE = struct.Struct("<I")

Packer = Callable[[Sequence[Any]], bytes]


def kind_of(value_type_name: str) -> str:
    """The field of a Feast value that a value type, such as `DOUBLE`, lies in; `value` for all but plain scalars."""
    return _KINDS.get(value_type_name, "value")


@lru_cache(maxsize=256)
def packer(names: tuple[str, ...], kinds: tuple[str, ...]) -> Packer:
    """A function that packs values given in the order of `names`; `None` and NaN are null, kind `value` takes bytes."""
    header = "\n".join(f"{n}:{k}" for n, k in zip(names, kinds, strict=True)).encode()
    head = _LENGTH.pack(len(header)) + header
    mask_size = (len(names) + 7) // 8
    fixed = [i for i, k in enumerate(kinds) if k in _FIXED]
    variable = [i for i, k in enumerate(kinds) if k not in _FIXED]
    pack_fixed = struct.Struct("<" + "".join(_FIXED[kinds[i]] for i in fixed)).pack

    def pack(values: Sequence[Any]) -> bytes:
        mask = 0
        for i, value in enumerate(values):
            if value is None or value != value:  # noqa: PLR0124 - NaN, which is no number to be acted on.
                mask |= 1 << i
        tail = b"".join(_sized(values[i]) for i in variable)
        numbers = pack_fixed(*(0 if values[i] is None else values[i] for i in fixed))
        return head + mask.to_bytes(mask_size, "little") + numbers + tail

    return pack


def unpack(payload: bytes) -> tuple[tuple[str, ...], tuple[str, ...], list[Any]]:
    """Names, kinds and values of a packed row."""
    (size,) = _LENGTH.unpack_from(payload)
    names, kinds, unpack_body = _unpacker(payload[2 : 2 + size])
    return names, kinds, unpack_body(payload, 2 + size)


@lru_cache(maxsize=256)
def _unpacker(
    header: bytes,
) -> tuple[tuple[str, ...], tuple[str, ...], Callable[[bytes, int], list[Any]]]:
    names, kinds = zip(*(part.rsplit(":", 1) for part in header.decode().split("\n")), strict=True)
    mask_size = (len(names) + 7) // 8
    fixed = [i for i, k in enumerate(kinds) if k in _FIXED]
    variable = [i for i, k in enumerate(kinds) if k not in _FIXED]
    body = struct.Struct("<" + "".join(_FIXED[kinds[i]] for i in fixed))
    only_fixed = not variable

    def unpack_body(payload: bytes, at: int) -> list[Any]:
        mask = int.from_bytes(payload[at : at + mask_size], "little")
        at += mask_size
        values: list[Any]
        if only_fixed:
            values = list(body.unpack_from(payload, at))
        else:
            values = [None] * len(names)
            for i, value in zip(fixed, body.unpack_from(payload, at), strict=True):
                values[i] = value
            at += body.size
            for i in variable:
                (size,) = _SIZE.unpack_from(payload, at)
                raw = payload[at + 4 : at + 4 + size]
                values[i] = raw.decode() if kinds[i] == "string_val" else raw
                at += 4 + size
        if mask:
            values = [None if mask >> i & 1 else value for i, value in enumerate(values)]
        return values

    return tuple(names), tuple(kinds), unpack_body


def unpack_columns(payloads: Sequence[bytes | None], names: tuple[str, ...]) -> list[list[Any]]:
    """The values of some features of many packed rows, a list a feature; no row, or no such feature, is `None`."""
    present = [payload for payload in payloads if payload is not None]
    if not present:
        return [[None] * len(payloads) for _ in names]
    (size,) = _LENGTH.unpack_from(present[0])
    head = present[0][: 2 + size]
    if all(payload.startswith(head) for payload in present):
        found = _Layout.of(head).columns(present, names)
    else:
        # While a changed schema is being published, rows of both layouts lie side by side.
        rows = [unpack(payload) for payload in present]
        found = [[dict(zip(known, values, strict=True)).get(name) for known, _, values in rows] for name in names]
    if len(present) == len(payloads):
        return found
    columns = map(iter, found)
    return [[None if payload is None else next(column) for payload in payloads] for column in columns]


class _Layout:
    """Where each feature lies in the rows that begin with one header."""

    def __init__(self, head: bytes) -> None:
        names, kinds, _ = _unpacker(head[2:])
        self.places = {name: place for place, name in enumerate(names)}
        self.variable = {name: kind for name, kind in zip(names, kinds, strict=True) if kind not in _FIXED}
        numbers = [(str(place), _NUMPY[kind]) for place, kind in enumerate(kinds) if kind in _FIXED]
        self.fixed = np.dtype([("head", f"V{len(head)}"), ("nulls", "u1", ((len(names) + 7) // 8,)), *numbers])

    @staticmethod
    @lru_cache(maxsize=256)
    def of(head: bytes) -> "_Layout":
        return _Layout(head)

    def columns(self, payloads: Sequence[bytes], names: Sequence[str]) -> list[list[Any]]:
        size = self.fixed.itemsize
        rows = np.frombuffer(b"".join([p[:size] for p in payloads] if self.variable else payloads), self.fixed)
        nulls = rows["nulls"] if rows["nulls"].any() else None
        tails = self._tails(payloads) if any(name in self.variable for name in names) else {}
        found: list[list[Any]] = []
        for name in names:
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
        return found


def _sized(value: str | bytes | None) -> bytes:
    raw = value.encode() if isinstance(value, str) else value or b""
    return _SIZE.pack(len(raw)) + raw
