"""Window kernels whose value depends on nothing but the window, to the bit.

A running sum keeps the rounding of everything that ever passed through it: the same twenty bars give other last bits
when history starts elsewhere, and a spike leaves a residue after it has left the window. These kernels add each window
afresh, oldest bar first. A window that is not full, or holds a null, gives null.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[np.float64]


def window_sum(values: pl.Expr, bars: int) -> pl.Expr:
    """Sum of the last `bars` values."""
    return _over_windows(values, bars, _sum)


def window_mean(values: pl.Expr, bars: int) -> pl.Expr:
    """Arithmetic mean of the last `bars` values; exactly the value when they are all equal."""
    return _over_windows(values, bars, _mean)


def window_deviation(values: pl.Expr, bars: int, *, ddof: int) -> pl.Expr:
    """Standard deviation of the last `bars` values; exactly 0 when they are all equal."""

    def deviation(columns: list[Array]) -> Array:
        mean = _mean(columns)
        return np.sqrt(_sum([(column - mean) ** 2 for column in columns]) / (bars - ddof))

    return _over_windows(values, bars, deviation)


def _sum(columns: list[Array]) -> Array:
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


def _mean(columns: list[Array]) -> Array:
    last = columns[-1]
    return last + _sum([column - last for column in columns]) / len(columns)


def _over_windows(values: pl.Expr, bars: int, kernel: Callable[[list[Array]], Array]) -> pl.Expr:
    def apply(series: pl.Series) -> pl.Series:
        full = max(len(series) - bars + 1, 0)
        out = np.full(len(series), np.nan)
        if full:
            array = series.to_numpy()
            with np.errstate(invalid="ignore", over="ignore"):
                out[bars - 1 :] = kernel([array[i : i + full] for i in range(bars)])
        return pl.Series(series.name, out, nan_to_null=True)

    return values.cast(pl.Float64).map_batches(apply, return_dtype=pl.Float64)
