"""Window kernels as Polars expressions whose value depends on nothing but the window, to the bit.

A running sum keeps the rounding of everything that ever passed through it: the same twenty bars give other last bits
when history starts elsewhere, and a spike leaves a residue after it has left the window. These kernels join each window
afresh (`doubling`). A window that is not full, or holds a null, gives null.

An expression reads the bars of one symbol in time order; in a frame with several, say `.over("symbol")` of it.
"""

from collections.abc import Callable

import polars as pl

from crypto_features.compute import doubling
from crypto_features.compute.doubling import Array
from crypto_features.errors import InputError


def window_sum(values: pl.Expr, bars: int) -> pl.Expr:
    """Sum of the last `bars` values."""
    check_window(bars)
    return over_bars(values, lambda known: doubling.sums(known, bars))


def window_mean(values: pl.Expr, bars: int) -> pl.Expr:
    """Arithmetic mean of the last `bars` values; exactly the value when they are all equal."""
    check_window(bars)
    return over_bars(values, lambda known: doubling.means(known, bars))


def window_deviation(values: pl.Expr, bars: int, *, ddof: int) -> pl.Expr:
    """Standard deviation of the last `bars` values; exactly 0 when they are all equal."""
    check_window(bars, least=ddof + 1)
    return over_bars(values, lambda known: doubling.deviations(known, bars, ddof))


def window_max(values: pl.Expr, bars: int) -> pl.Expr:
    """Greatest of the last `bars` values."""
    check_window(bars)
    return over_bars(values, lambda known: doubling.highest(known, bars))


def window_min(values: pl.Expr, bars: int) -> pl.Expr:
    """Least of the last `bars` values."""
    check_window(bars)
    return over_bars(values, lambda known: doubling.lowest(known, bars))


def over_bars(values: pl.Expr, kernel: Callable[[Array], Array]) -> pl.Expr:
    """An expression from a function of an array: nulls are NaN in it, and NaN becomes null."""

    def apply(series: pl.Series) -> pl.Series:
        return pl.Series(series.name, kernel(series.to_numpy()), nan_to_null=True)

    return values.cast(pl.Float64).map_batches(apply, return_dtype=pl.Float64)


def check_window(bars: int, least: int = 1) -> None:
    """Refuse a window that can have no value.

    Raises:
        InputError: if it has fewer than `least` bars.
    """
    if bars < least:
        raise InputError(f"A window of {bars} bars has no value here; expected bars={least} or more.")
