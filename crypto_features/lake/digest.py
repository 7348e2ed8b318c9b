"""The content of a frame: its digest, to the bit, whatever its chunks and files; and whether it is in order."""

import hashlib
from datetime import timedelta

import numpy as np
import polars as pl


def content_digest(frame: pl.DataFrame) -> str:
    """Hexadecimal digest of names, types and values, in the order of the rows; column order does not count.

    >>> a = pl.DataFrame({"x": [1.0, None], "y": ["a", "b"]})
    >>> content_digest(a) == content_digest(a.select("y", "x"))
    True
    """
    digest = hashlib.sha256()
    digest.update(str(frame.height).encode())
    for name in sorted(frame.columns):
        column = frame[name]
        digest.update(f"|{name}|{column.dtype}|".encode())
        digest.update(_bytes(column.is_null()) if column.null_count() else b"full")
        digest.update(_bytes(column))
    return digest.hexdigest()[:32]


def in_order(frame: pl.DataFrame, time: str) -> bool:
    """Whether the rows are sorted by `symbol` and a time column, each symbol and time once, without a null."""
    runs = frame["symbol"].rle().struct.unnest()
    starts = runs["len"].cum_sum().shift(1, fill_value=0)
    later = (frame[time].diff() > timedelta(0)).fill_null(value=False)
    breaks = (~later).arg_true()
    rises = (runs["value"] > runs["value"].shift()).slice(1).fill_null(value=False)
    return frame[time].null_count() == 0 and bool(rises.all()) and breaks.is_in(starts.to_list()).all()


def _bytes(column: pl.Series) -> bytes | memoryview:
    if column.dtype == pl.List:
        inner = column.explode(empty_as_null=False, keep_nulls=False)
        return b"".join(map(_bytes, (column.list.len(), inner.is_null(), inner)))
    if column.dtype == pl.Binary:
        return b"".join([_bytes(column.bin.size()), *column.drop_nulls()])
    if column.dtype == pl.String:
        runs = column.fill_null("").rle().struct.unnest()
        lengths = runs["len"], runs["value"].str.len_bytes()
        return b"".join([*map(_bytes, lengths), "".join(runs["value"]).encode()])
    if column.dtype == pl.Boolean:
        return np.packbits(column.fill_null(value=False).to_numpy()).tobytes()
    values = column.to_physical().fill_null(0).to_numpy()
    return values.astype(values.dtype.newbyteorder("<"), copy=False).data
