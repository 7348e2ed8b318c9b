"""Rows of a table as matrices of times by symbols."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

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

    def placed(self, rows: pl.DataFrame, later: timedelta = timedelta(0)) -> Callable[[pl.Series], Floats]:
        """A function that makes a matrix of a column of some rows.

        Args:
            rows: `symbol` and `event_timestamp` of each row, which no two rows share.
            later: How long after the time of its cell a value is taken.

        Returns:
            It takes a column of numbers or truth values, in the order of the rows. A cell without a row, with a null or
            with what is not finite is NaN.
        """
        codes = dict(zip(self.symbols, range(len(self.symbols)), strict=True))
        coded = rows["symbol"].replace_strict(codes, default=None, return_dtype=pl.Int64)
        mine = coded.is_not_null().to_numpy().nonzero()[0]
        ticks = rows["event_timestamp"].to_physical().to_numpy() - later // MICROSECOND
        across = np.searchsorted(moments := self.times.to_physical().to_numpy(), ticks[mine])
        there = (across < len(moments)) & (np.append(moments, 0)[across] == ticks[mine])
        taken = mine[there]
        cell = across[there] * len(self.symbols) + coded.gather(taken).to_numpy()

        def matrix(column: pl.Series) -> Floats:
            values = np.full(len(moments) * len(self.symbols), np.nan)
            values[cell] = column.cast(pl.Float64).fill_null(np.nan).to_numpy()[taken]
            return finite(values).reshape(len(moments), len(self.symbols))

        return matrix


def finite(values: Floats) -> Floats:
    """The values, with NaN in place of infinities."""
    return np.where(np.isfinite(values), values, np.nan)
