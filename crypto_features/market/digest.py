"""A digest of a frame's content, to the bit, that does not depend on chunks, files or library versions."""

import hashlib

import numpy as np
import polars as pl


def content_digest(frame: pl.DataFrame) -> str:
    """Hexadecimal digest of names, types and values, in the order of the rows; column order does not count.

    >>> a = pl.DataFrame({"x": [1.0, None], "y": ["a", "b"]})
    >>> content_digest(a) == content_digest(a.select("y", "x"))
    True
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(str(frame.height).encode())
    for name in sorted(frame.columns):
        column = frame[name]
        digest.update(f"|{name}|{column.dtype}|".encode())
        digest.update(_bytes(column.is_null()))
        digest.update(_bytes(column))
    return digest.hexdigest()


def _bytes(column: pl.Series) -> bytes:
    if column.dtype == pl.String:
        runs = column.fill_null("").rle().struct.unnest()
        return _bytes(runs["len"]) + _bytes(runs["value"].str.len_bytes()) + "".join(runs["value"]).encode()
    if column.dtype == pl.Boolean:
        return np.packbits(column.fill_null(value=False).to_numpy()).tobytes()
    values = column.to_physical().fill_null(0).to_numpy()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
