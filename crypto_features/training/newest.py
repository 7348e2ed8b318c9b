"""The newest values of a table or of a set that was built, as many as drift is judged by."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from crypto_features.lake import parquet
from crypto_features.lake.table import Table
from crypto_features.tables.months import months_between
from crypto_features.training.folder import SetFolder

TIME = "event_timestamp"


def newest_rows(table: Table, span: timedelta, names: Sequence[str]) -> pl.DataFrame:
    """Columns of the newest months of a table, which must have rows; null where a month was written without one.

    Args:
        table: The table.
        span: How far back from its newest row.
        names: The columns beside `symbol` and the time.
    """
    newest = table.collect(table.scan(table.months()[-1:]).select(pl.col(table.time).max())).item()
    since = months_between(newest - span, newest)[0]
    parts = [_some(table.scan([month]), names) for month in table.months() if month >= since]
    return pl.concat([table.collect(part) for part in parts], how="vertical_relaxed")


def newest_of_set(folder: SetFolder, values: int, names: Sequence[str]) -> pl.DataFrame:
    """Columns of the newest files of a set; null where it has none of that name.

    Args:
        folder: The set.
        values: How many rows of a symbol are wanted: files are read until half of the newest file's symbols have them.
        names: The columns beside `symbol` and the time.
    """
    parts, newest = list[pl.DataFrame](), None
    for said in reversed(folder.manifest["files"]):
        file = folder.file(said["path"])
        parts.append(parquet.collect(_some(parquet.scan([file]), names), [file]))
        newest = parts[0]["symbol"].unique() if newest is None else newest
        rows = pl.concat(parts)["symbol"].value_counts().filter(pl.col("symbol").is_in(newest.implode()))
        if rows["count"].median() >= values:  # type: ignore[operator] # a number: the newest file has rows.
            break
    return pl.concat(parts, how="vertical_relaxed")


def _some(rows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    there = rows.collect_schema().names()
    absent = [pl.lit(None, pl.Float64).alias(name) for name in names if name not in there]
    return rows.with_columns(absent).select("symbol", TIME, *names)
