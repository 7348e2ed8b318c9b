"""Whether a frame is in order."""

from datetime import timedelta

import polars as pl


def in_order(frame: pl.DataFrame, time: str) -> bool:
    """Whether the rows are sorted by `symbol` and a time column, each symbol and time once, without a null."""
    runs = frame["symbol"].rle().struct.unnest()
    starts = runs["len"].cum_sum().shift(1, fill_value=0)
    later = (frame[time].diff() > timedelta(0)).fill_null(value=False)
    breaks = (~later).arg_true()
    rises = (runs["value"] > runs["value"].shift()).slice(1).fill_null(value=False)
    return frame[time].null_count() == 0 and bool(rises.all()) and breaks.is_in(starts.to_list()).all()
