"""Stamps of a clock that was ahead: a row counts as known, or as created, only once that time has come."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
from upath import UPath

from crypto_features.lake.table import Table, stored
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.provenance import STAMPS

SKEW = timedelta(seconds=5)
"""How far the clocks of two machines may differ."""


def latest_stamp(rows: pl.DataFrame) -> datetime | None:
    """The latest time at which a row of a table counts as known or created."""
    found = [time for name in STAMPS if name in rows.columns and isinstance(time := rows[name].max(), datetime)]
    return max(found, default=None)


def bring_back(root: UPath, catalog: Catalog, now: datetime) -> dict[str, int]:
    """Give each row that is stamped later than the clock the time of now; how many of each table there were.

    They were known by now at the latest, and nobody knows when. Values and the order of a candle's versions stay.
    Tables of other projects are left to these.
    """
    own = [name for name, raw in catalog.raws.items() if raw.project is None]
    names = [*own, *(table.name for table in catalog.computed if table.name not in catalog.models)]
    # As the files are: without the columns that reading gives to older ones.
    tables = {
        name: replace(table, gains={}, by_symbol=table.raw) for name in names for table in [stored(root, catalog, name)]
    }
    return {name: _of_table(table, now) for name, table in tables.items()}


def _of_table(table: Table, now: datetime) -> int:
    found = 0
    for month in table.months():

        def change(rows: pl.DataFrame | None, month: str = month) -> tuple[pl.DataFrame, Mapping[str, str]] | None:
            nonlocal found
            latest = None if rows is None else latest_stamp(rows)
            if rows is None or latest is None or latest <= now + SKEW:
                return None
            ahead = pl.any_horizontal(pl.col(name) > now + SKEW for name in STAMPS if name in rows.columns)
            found += rows.filter(ahead).height
            return brought_back(rows, table.time, now), table.metadata(month)

        table.update(month, change)
    return found


def brought_back(rows: pl.DataFrame, time: str, now: datetime) -> pl.DataFrame:
    """The rows with no stamp later than the clock. Of the versions of one candle, the last known one stays the last."""
    for name in (name for name in STAMPS if name in rows.columns):
        # A microsecond apart, in their order.
        later = (pl.col(name).rank("ordinal", descending=True).over("symbol", time) - 1) * timedelta(microseconds=1)
        back = (pl.lit(now) - later).cast(rows.schema[name])
        rows = rows.with_columns(pl.when(pl.col(name) > now + SKEW).then(back).otherwise(name).alias(name))
    return rows
