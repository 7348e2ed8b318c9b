"""A packed file unpacked within a limit, so that what it holds can be read as a plain one."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa

from crypto_features.errors import InputError
from crypto_features.sources.vendor.filename import is_candle_file, parse
from crypto_features.sources.vendor.pairs import pairs, same_market

_CHUNK = 1 << 20
_STREAMS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_ZIP = b"PK\x03\x04"
_BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Methods whose reader makes no more than it is asked for."""


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpacked(path: Path, spool: Path, limit: int) -> Path:
    """The plain file itself, or what a gzip, zstd or zip file holds, written to `spool`.

    Raises:
        InputError: if it is not whole, holds more than `limit`, or is a zip of anything but one candle file.
    """
    with path.open("rb") as file:
        head = file.read(4)
    stream = next((name for magic, name in _STREAMS.items() if head.startswith(magic)), None)
    if stream is None and head != _ZIP:
        return path
    try:
        if stream is None:
            with zipfile.ZipFile(path) as packed, packed.open(_member(path, packed)) as content:
                return _copied(path, content, spool, limit)
        with pa.CompressedInputStream(pa.OSFile(str(path)), stream) as content:
            return _copied(path, content, spool, limit)
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be unpacked ({error}). Copy it again from its origin.") from None


def rewritten(path: Path, spool: Path, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a text at `spool`, each piece of it changed."""
    with path.open("rb") as source, spool.open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(change(chunk))
    return spool


def _member(path: Path, packed: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [info for info in packed.infolist() if not info.is_dir() and is_candle_file(Path(info.filename).name)]
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} files of candles, and one is expected; unpack it into the folder.")
    inside, named = parse(Path(found[0].filename).name), parse(path.name).market
    is_pair = any(pair.quote for pair in pairs(inside.market))
    if inside.kind or (named and is_pair and not same_market(named, inside.market)):
        raise InputError(f"{path} holds {found[0].filename}, which is not a file of {named}; rename it to its market.")
    if found[0].compress_type not in _BOUNDED:
        raise InputError(f"{path} is packed by a method that cannot be read within a limit; pack it as plain zip.")
    return found[0]


def _copied(path: Path, content: _Bytes | IO[bytes], spool: Path, limit: int) -> Path:
    written = 0
    with spool.open("wb") as target:
        while chunk := content.read(_CHUNK):
            written += len(chunk)
            if written > limit:
                spool.unlink()
                raise InputError(
                    f"{path} unpacks to more than {limit:,} bytes; if that is right, raise CRYPTO_FEATURES_FILES_LIMIT."
                )
            target.write(chunk)
    return spool
