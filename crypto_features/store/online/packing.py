"""One online row an entity: every feature of a view packed into a few bytes that describe themselves.

Layout: header length (u16), header, null mask, fixed-width values, then the variable-length ones. The header names each
feature and its kind, so a row outlives a change of its view's schema.
"""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

# Kind → struct code; each is the one field of a Feast value that holds it exactly.
_FIXED = {"double_val": "d", "float_val": "f", "int64_val": "q", "int32_val": "i", "bool_val": "?"}
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
    """A function that packs values given in the order of `names`; `None` is null, kind `value` takes bytes."""
    header = "\n".join(f"{n}:{k}" for n, k in zip(names, kinds, strict=True)).encode()
    head = _LENGTH.pack(len(header)) + header
    mask_size = (len(names) + 7) // 8
    fixed = [i for i, k in enumerate(kinds) if k in _FIXED]
    variable = [i for i, k in enumerate(kinds) if k not in _FIXED]
    pack_fixed = struct.Struct("<" + "".join(_FIXED[kinds[i]] for i in fixed)).pack

    def pack(values: Sequence[Any]) -> bytes:
        mask = 0
        for i, value in enumerate(values):
            if value is None:
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


def _sized(value: str | bytes | None) -> bytes:
    raw = value.encode() if isinstance(value, str) else value or b""
    return _SIZE.pack(len(raw)) + raw
