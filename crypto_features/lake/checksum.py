"""A checksum over every byte of a Parquet file, which stands in the file's own footer.

No reader of Parquet looks at all bytes: Polars does not verify the checksums of pages, and nobody has one of a footer.
The checksum is computed with zeros in its own place, so a file is sealed before it takes its name, and by one rename.
"""

import os
from io import BytesIO
from typing import BinaryIO

import xxhash

NAME = b"crypto_features.checksum"
"""Under this name the footer keeps it."""
_MARK = b"xxh3:"
_ZEROS = b"0" * 16
UNSEALED = (_MARK + _ZEROS).decode()
"""What is written in its place first."""
_CHUNK = 1 << 18


def seal(file: BytesIO) -> None:
    """Put the checksum of a whole Parquet file into the place that was left for it."""
    begin, footer = _footer(file)
    found = checksum(file.getbuffer())
    file.seek(begin + footer.rindex(_MARK) + len(_MARK))
    file.write(found.encode())


def checksum(content: bytes | memoryview) -> str:
    """The checksum of some bytes, as 16 hexadecimal digits."""
    return xxhash.xxh3_64_hexdigest(content)


def is_intact(file: BinaryIO) -> bool:
    """Whether no byte differs from what was sealed; a file that nobody sealed has nothing to differ from."""
    begin, footer = _footer(file)
    found = footer.rfind(_MARK)
    if found < 0:
        return NAME not in footer
    place = begin + found + len(_MARK)
    state = xxhash.xxh3_64()
    _add(state, file, 0, place)
    state.update(_ZEROS)
    noted = file.read(len(_ZEROS))
    _add(state, file, place + len(_ZEROS), begin + len(footer))
    return state.hexdigest().encode() == noted


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer begins, and all bytes from there on."""
    size = file.seek(0, os.SEEK_END)
    file.seek(size - 8)
    begin = max(size - 8 - int.from_bytes(file.read(4), "little"), 0)
    file.seek(begin)
    return begin, file.read(size - begin)


def _add(state: xxhash.xxh3_64, file: BinaryIO, begin: int, end: int) -> None:
    file.seek(begin)
    while begin < end and (chunk := file.read(min(_CHUNK, end - begin))):
        state.update(chunk)
        begin += len(chunk)
