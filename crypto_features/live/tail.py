"""The newest rows of every table, as far back as what is computed from them reads."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from crypto_features.tables.dtypes import microseconds, moment
from crypto_features.tables.months import months_between

Load = Callable[[str, Sequence[str]], pl.DataFrame]
"""`load(table, months)`: the published rows of some months, of raw candles the current ones, of a model one row per
month; without columns if there are none."""
_STAMPS = ("created_timestamp", "known_at")
_WAS = "\nwas"
"""Ends the name of a column that holds what was there before: no column of a user ends so."""
_ROOM = timedelta(days=1)
"""How much the younger part of a table grows before its older rows are put away."""
_EVER = datetime.min.replace(tzinfo=UTC)


class Enough(NamedTuple):
    """How many rows of a symbol, before a time, make its older ones needless."""

    before: datetime
    rows: int


class Tail:
    """The newest rows of some tables, each in two parts, since most steps read and change the younger one alone.

    Both are by time, so that what a step reads is a slice.

    Args:
        keep: By table, how far back.
        near: By table, how far back its younger part goes at least; by default as far as is kept.
        load: Reads published rows.
        now: The time, UTC.
    """

    def __init__(self, keep: Mapping[str, timedelta], near: Mapping[str, timedelta], load: Load, now: datetime) -> None:
        self._keep, self._near = keep, near
        self._rows, self._old = dict[str, pl.DataFrame](), dict[str, pl.DataFrame]()
        self._since: dict[str, datetime] = {}
        self._newest: dict[str, dict[str, datetime]] = {}
        for name, reach in keep.items():
            rows = load(name, months_between(now - reach, now + timedelta.resolution)).drop(_STAMPS, strict=False)
            if rows.width:
                rows = rows.filter(pl.col(_time(rows)) >= moment(now - reach)).sort(_time(rows), maintain_order=True)
                newest = rows.group_by("symbol").agg(pl.col(_time(rows)).max()).sort("symbol")
                self._newest[name] = dict(newest.iter_rows())
            self._rows[name], self._old[name] = rows, rows.clear()
            self._put_away(name, now)

    def newest(self, table: str) -> dict[str, datetime]:
        """By symbol the time of its newest row."""
        return self._newest.get(table, {})

    def read(
        self, table: str, since: datetime, symbols: Collection[str] | None = None, enough: Enough | None = None
    ) -> pl.DataFrame:
        """The rows from a time on, of some symbols or of all; of one that has enough of them not the oldest."""
        rows = self._rows[table]
        if not rows.width:
            return rows
        everybody = symbols is None or self._newest[table].keys() <= {*symbols}

        def wanted(part: pl.DataFrame) -> pl.DataFrame:
            part = _since(part, since)
            return part if everybody else part.filter(pl.col("symbol").is_in([*(symbols or ())]))

        recent = wanted(rows)
        if since >= self._since[table]:
            return recent
        time, old = _time(rows), wanted(self._old[table])
        if enough is not None and old.height:
            counts = recent.filter(pl.col(time) < moment(enough.before)).group_by("symbol").len()
            old = old.filter(~pl.col("symbol").is_in(counts.filter(pl.col("len") >= enough.rows)["symbol"].to_list()))
        return pl.concat([old, recent]) if old.height else recent

    def put(self, table: str, rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
        """Keep rows in place of those of the same symbol and time.

        Returns:
            Those that are new or others than before, with a column `again`: whether there was such a row.
        """
        if not rows.width:
            return rows
        time, newest = _time(rows), self._newest.setdefault(table, {})
        if self._rows[table].width:
            rows = rows[self._rows[table].columns]
        else:
            self._rows[table] = self._old[table] = rows.clear()
        told = [*rows[["symbol", time]].iter_rows()]
        if all(at > newest.get(symbol, _EVER) for symbol, at in told):
            changed = rows.with_columns(again=pl.lit(value=False))
        else:
            changed = self._compared(table, rows, min(at for _, at in told))
            told = [*changed[["symbol", time]].iter_rows()]
        if not told:
            return changed
        before = self._rows[table]
        if changed["again"].any():
            before = before.join(changed, on=["symbol", time], how="anti", maintain_order="left")
        self._rows[table] = _by_time(before, changed[before.columns])
        for symbol, at in told:
            newest[symbol] = max(at, newest.get(symbol, at))
        if now - self._since[table] > self._reach(table) + _ROOM:
            self._put_away(table, now)
        return changed

    def _compared(self, table: str, rows: pl.DataFrame, first: datetime) -> pl.DataFrame:
        """The rows that are new or others than those that are kept."""
        time, names = _time(rows), rows.columns
        keys = ["symbol", time]
        if first < self._since[table]:
            self._rows[table] = _by_time(self._old[table], self._rows[table])
            self._old[table], self._since[table] = rows.clear(), _EVER
        near = _since(self._rows[table], first)
        joined = rows.join(
            near.with_columns(again=pl.lit(value=True)), on=keys, how="left", suffix=_WAS, maintain_order="left"
        )
        alike = [pl.col(name).eq_missing(pl.col(f"{name}{_WAS}")) for name in names if name not in keys]
        same = pl.all_horizontal(pl.col("again").is_not_null(), *alike)
        return joined.filter(~same).select(*names, pl.col("again").fill_null(value=False))

    def _put_away(self, table: str, now: datetime) -> None:
        """Move what is older than the younger part goes back to the older part, and drop what is older than is kept."""
        both = _by_time(self._old[table], self._rows[table])
        self._since[table] = since = now - self._reach(table)
        if both.width:
            kept, self._rows[table] = _since(both, now - self._keep[table]), _since(both, since)
            self._old[table] = kept[: kept.height - self._rows[table].height]

    def _reach(self, table: str) -> timedelta:
        return min(self._near.get(table, self._keep[table]), self._keep[table])


def _since(rows: pl.DataFrame, time: datetime) -> pl.DataFrame:
    """The rows from a time on, of rows by time."""
    return rows[int(np.searchsorted(rows[_time(rows)].to_physical().to_numpy(), microseconds(time))) :]


def _by_time(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The rows of both by time; a symbol that is late may add some that are older than all of `one`."""
    both = pl.concat([one, other], rechunk=True)
    if not both.width or (np.diff(both[_time(both)].to_physical().to_numpy()) >= 0).all():
        return both
    return both.sort(_time(both), maintain_order=True)


def _time(rows: pl.DataFrame) -> str:
    return "open_time" if "open_time" in rows.columns else "event_timestamp"
