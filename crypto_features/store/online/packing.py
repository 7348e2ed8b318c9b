"""One online row an entity: packs what `crypto_features_reader.unpacking` reads, where the layout is described."""

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any

from crypto_features_reader.unpacking import FIXED, LENGTH, LONG, SIZE

Packer = Callable[[Sequence[Any]], bytes]


@lru_cache(maxsize=256)
def packer(names: tuple[str, ...], kinds: tuple[str, ...]) -> Packer:
    """A function that packs values given in the order of `names`; kind `value` takes bytes.

    `None`, NaN and the infinities are null.
    """
    header = "\n".join(f"{n}:{k}" for n, k in zip(names, kinds, strict=True)).encode()
    length = LENGTH.pack(len(header)) if len(header) < LONG else LENGTH.pack(LONG) + SIZE.pack(len(header))
    head = length + header
    mask_size = (len(names) + 7) // 8
    fixed = [i for i, k in enumerate(kinds) if k in FIXED]
    variable = [i for i, k in enumerate(kinds) if k not in FIXED]
    floats = [i for i, k in enumerate(kinds) if k in ("double_val", "float_val")]
    pack_fixed = struct.Struct("<" + "".join(FIXED[kinds[i]] for i in fixed)).pack

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


def _sized(value: str | bytes | None) -> bytes:
    raw = value.encode() if isinstance(value, str) else value or b""
    return SIZE.pack(len(raw)) + raw
