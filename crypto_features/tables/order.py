"""The order of rows: by symbol, then by time."""

import operator

import numpy as np
import polars as pl

_FEW = 500
"""Rows that Python compares sooner than Polars plans to."""


def in_order(frame: pl.DataFrame, time: str) -> bool:
    """Whether the rows are sorted by `symbol` and a time column, each symbol and time once, without a null."""
    if frame[time].null_count() or frame["symbol"].null_count():
        return False
    if frame.height <= _FEW:
        rows = [*zip(frame["symbol"].to_list(), frame[time].to_physical().to_list(), strict=True)]
        return all(map(operator.lt, rows, rows[1:]))
    lengths, names = frame["symbol"].rle().struct.unnest().select("len", "value")
    if not all(map(operator.lt, names, names.slice(1))):
        return False
    times = frame[time].to_physical().to_numpy()
    starts = np.flatnonzero(times[1:] <= times[:-1]) + 1
    return bool(np.isin(starts, np.cumsum(lengths)).all())


def by_symbol(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    """The rows by symbol and time; rows that are in this order stay where they are, since sorting takes far longer."""
    return frame if in_order(frame, time) else frame.sort("symbol", time)
