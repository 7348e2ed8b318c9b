"""Raw rows and bars as they were known at one time."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache, partial

import polars as pl

from crypto_features.errors import InputError
from crypto_features.known.history import History
from crypto_features.known.knowledge import candles_as_known
from crypto_features.tables.bars import Bars
from crypto_features.tables.months import months_between
from crypto_features.tables.raw import RawTable

HELD = 4
"""Months that are kept: a month and its neighbours are asked for one after the other."""


class Then:
    """Reads candles, and the bars that are made of them, as a build at one time would have.

    Args:
        history: What is published, and every version of the candles.
        at: The time; `None` for what is published now.
    """

    def __init__(self, history: History, at: datetime | None) -> None:
        self.history, self.at = history, at
        self._months = lru_cache(maxsize=HELD)(self._month)

    def read(self, table: str, start: datetime, end: datetime, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a table that open within `[start, end)`, of every symbol.

        Raises:
            InputError: if nothing at all of it is published, or it is made of neither candles nor bars.
        """
        frames = [self._one(table, month, columns) for month in months_between(start, end)]
        frame = pl.concat([frame for frame in frames if frame.width] or [pl.DataFrame()], how="vertical_relaxed")
        if not frame.width:
            raise InputError(f"nothing of {table} is published; materialize {table!r} first.")
        return frame.filter(pl.col("open_time").is_between(start, end, closed="left"))

    def _one(self, table: str, month: str, columns: Sequence[str] | None) -> pl.DataFrame:
        if self.at is None:
            return self.history.read(table, [month], columns, None)
        frame = self._months(table, month, self.at)
        return frame if columns is None or not frame.width else frame.select(columns)

    def _month(self, table: str, month: str, at: datetime) -> pl.DataFrame:
        declared = self.history.catalog[table]
        if isinstance(declared, RawTable):
            versions = self.history.known(table, month, None, self.history.symbols)
            return candles_as_known(versions, at)
        if isinstance(declared, Bars):
            return declared.compute(partial(self._read, at), month, None, self.history.terms(at))
        raise InputError(f"{table} is made of neither candles nor bars; give the training set rows= of bars.")

    def _read(
        self,
        at: datetime,
        table: str,
        months: Sequence[str],
        columns: Sequence[str] | None,
        _symbols: Sequence[str] | None,
    ) -> pl.DataFrame:
        frame = pl.concat([self._months(table, month, at) for month in months], how="vertical_relaxed")
        return frame if columns is None else frame.select(name for name in frame.columns if name in columns)
