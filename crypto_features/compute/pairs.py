"""Window kernels of two series, as Polars expressions: how one moves with the other over the last bars.

As those of one series (`windows`), they depend on the window alone, to the bit, and are null where it is not full or
holds a null.
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from crypto_features.compute import doubling
from crypto_features.compute.doubling import Array
from crypto_features.compute.windows import check_window

_PAIR = 2


def window_covariance(x: pl.Expr, y: pl.Expr, bars: int) -> pl.Expr:
    """Sample covariance (ddof 1) of the last `bars` pairs; exactly 0 if all `x` or all `y` are equal.

    Args:
        x: One series.
        y: The other one.
        bars: Pairs in a window, 2 or more.
    """
    check_window(bars, least=_PAIR)
    return _over_pairs(x, y, lambda one, other: doubling.co_moments(one, other, bars)[2] / (bars - 1))


def window_correlation(x: pl.Expr, y: pl.Expr, bars: int) -> pl.Expr:
    """Pearson's correlation of the last `bars` pairs, −1 to 1; null if all `x` or all `y` are equal.

    Args:
        x: One series.
        y: The other one.
        bars: Pairs in a window, 2 or more.
    """
    check_window(bars, least=_PAIR)

    def correlation(one: Array, other: Array) -> Array:
        of_one, of_other, both = doubling.co_moments(one, other, bars)
        return np.clip(_ratio(both, np.sqrt(of_one) * np.sqrt(of_other)), -1, 1)

    return _over_pairs(x, y, correlation)


def beta(x: pl.Expr, y: pl.Expr, bars: int) -> pl.Expr:
    """Slope of `x` on `y` over the last `bars` pairs: covariance / variance of `y`; null if all `y` are equal.

    Of returns this is the beta of the capital asset pricing model. Source: William Sharpe, Capital Asset Prices, 1964.

    Args:
        x: Returns of a symbol.
        y: Returns of the market, such as BTC's.
        bars: Pairs in a window, 2 or more.
    """
    check_window(bars, least=_PAIR)

    def slope(one: Array, other: Array) -> Array:
        _, of_other, both = doubling.co_moments(one, other, bars)
        return _ratio(both, of_other)

    return _over_pairs(x, y, slope)


def _ratio(values: Array, by: Array) -> Array:
    """The quotient; NaN where the divisor is 0."""
    out = np.full(values.shape, np.nan)
    np.divide(values, by, out=out, where=by != 0)
    return out


def _over_pairs(x: pl.Expr, y: pl.Expr, kernel: Callable[[Array, Array], Array]) -> pl.Expr:
    """An expression from a function of two arrays: nulls are NaN in them, and NaN becomes null."""

    def apply(series: Sequence[pl.Series]) -> pl.Series:
        one, other = (part.to_numpy() for part in series)
        return pl.Series(series[0].name, kernel(*np.broadcast_arrays(one, other)), nan_to_null=True)

    return pl.map_batches([x.cast(pl.Float64), y.cast(pl.Float64)], apply, return_dtype=pl.Float64)
