"""Rows of a table as matrices of times by symbols."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crypto_features.report.ranks import Floats

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of such matrices.

    Args:
        times: UTC, in order.
        symbols: In order.
    """

    times: pl.Series
    symbols: pl.Series

    def placed(self, rows: pl.DataFrame) -> Callable[[pl.Series, timedelta], Floats]:
        """A function that makes matrices of the columns of some rows.

        Args:
            rows: `symbol` and `event_timestamp` of each row, which no two rows share.

        Returns:
            It takes a column of numbers or truth values, in the order of the rows, and how long after the time of its
            cell a value is taken. A cell without a row, with a null or with what is not finite is NaN.
        """
        codes = dict(zip(self.symbols, range(len(self.symbols)), strict=True))
        coded = rows["symbol"].replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()
        ticks, moments = (times.to_physical().to_numpy() for times in (rows["event_timestamp"], self.times))

        @cache
        def places(later: timedelta) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            """Which rows are taken, and into which cells."""
            wanted = ticks - later // MICROSECOND
            across = np.searchsorted(moments, wanted)
            taken = np.flatnonzero((coded >= 0) & (np.append(moments, np.iinfo(np.int64).min)[across] == wanted))
            return taken, across[taken] * len(self.symbols) + coded[taken]

        def matrix(column: pl.Series, later: timedelta) -> Floats:
            taken, cell = places(later)
            values = np.full(len(moments) * len(self.symbols), np.nan)
            values[cell] = column.cast(pl.Float64).to_numpy()[taken]
            return finite(values).reshape(len(moments), len(self.symbols))

        return matrix


def finite(values: Floats) -> Floats:
    """The values, with NaN in place of infinities."""
    return np.where(np.isfinite(values), values, np.nan)
