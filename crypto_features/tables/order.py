"""The order of rows: by symbol, then by time."""

from datetime import timedelta

import polars as pl


def in_order(frame: pl.DataFrame, time: str) -> bool:
    """Whether the rows are sorted by `symbol` and a time column, each symbol and time once, without a null."""
    runs = frame["symbol"].rle().struct.unnest()
    rises = (runs["value"] > runs["value"].shift()).slice(1).fill_null(value=False)
    if frame[time].null_count() or not rises.all():
        return False
    starts = runs["len"].cum_sum().shift(1, fill_value=0)
    later = (frame[time].diff() > timedelta(0)).fill_null(value=False)
    return (~later).arg_true().is_in(starts.to_list()).all()


def by_symbol(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    """The rows by symbol and time; rows that are in this order stay where they are, since sorting takes far longer."""
    return frame if in_order(frame, time) else frame.sort("symbol", time)
