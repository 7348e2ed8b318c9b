"""The newest rows of every table, as far back as what is computed from them reads."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features.tables.months import months_between

Load = Callable[[str, Sequence[str]], pl.DataFrame]
"""`load(table, months)`: the published rows of some months, of raw candles the current ones, of a model one row per
month; without columns if there are none."""
_STAMPS = ("created_timestamp", "known_at")
_WAS = "\nwas"
"""Ends the name of a column that holds what was there before: no column of a user ends so."""


class Tail:
    """The newest rows of some tables.

    Args:
        keep: By table, how far back.
        load: Reads published rows.
        now: The time, UTC.
    """

    def __init__(self, keep: Mapping[str, timedelta], load: Load, now: datetime) -> None:
        self._keep, self._rows = keep, dict[str, pl.DataFrame]()
        for name, reach in keep.items():
            rows = load(name, months_between(now - reach, now + timedelta.resolution)).drop(_STAMPS, strict=False)
            self._rows[name] = rows.filter(pl.col(_time(rows)) >= now - reach) if rows.width else rows

    def newest(self, table: str) -> dict[str, datetime]:
        """By symbol the time of its newest row."""
        rows = self._rows[table]
        if rows.is_empty():
            return {}
        return dict(rows.group_by("symbol").agg(pl.col(_time(rows)).max()).sort("symbol").iter_rows())

    def read(self, table: str, since: datetime, symbols: Collection[str] | None = None) -> pl.DataFrame:
        """The rows from a time on, of some symbols or of all."""
        rows = self._rows[table]
        recent = rows.filter(pl.col(_time(rows)) >= since) if rows.width else rows
        return recent if symbols is None or not rows.width else recent.filter(pl.col("symbol").is_in(list(symbols)))

    def put(self, table: str, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """Keep rows in place of those of the same symbol and time.

        Returns:
            Those that are new or others than before, with a column `again`: whether there was such a row.
        """
        before = self._rows[table]
        if not before.width:
            self._rows[table] = rows
            return rows.with_columns(again=pl.lit(value=False))
        time, names = _time(rows), before.columns
        rows = rows.select(names)
        first = rows[time].min()
        near = before.filter(pl.col(time) >= first) if first is not None else before.clear()
        keys = ["symbol", time]
        joined = rows.join(
            near.with_columns(again=pl.lit(value=True)), on=keys, how="left", suffix=_WAS, maintain_order="left"
        )
        alike = [pl.col(name).eq_missing(pl.col(f"{name}{_WAS}")) for name in names if name not in keys]
        same = pl.all_horizontal(pl.col("again").is_not_null(), *alike)
        changed = joined.filter(~same).select(*names, pl.col("again").fill_null(value=False))
        if changed.height:
            kept = before.filter(pl.col(time) >= now - self._keep[table])
            if changed["again"].any():
                kept = kept.join(changed, on=keys, how="anti", maintain_order="left")
            self._rows[table] = pl.concat([kept, changed.select(names)], rechunk=True)
        return changed


def _time(rows: pl.DataFrame) -> str:
    return "open_time" if "open_time" in rows.columns else "event_timestamp"
