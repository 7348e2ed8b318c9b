"""Price series as `ta` is given them: their sums, means and deviations of windows depend on the window alone.

pandas adds and subtracts as a window slides, and smooths over all that ever came, so its last bits tell where history
starts. A subclass of its Series, which is how pandas is extended, computes them by the kernels of `doubling` instead.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crypto_features.compute import doubling
from crypto_features.compute.doubling import Array

if TYPE_CHECKING:
    import pandas as pd


def price_series(values: pl.Series) -> "pd.Series[float]":
    """The values as the series that `ta` takes."""
    series: pd.Series[float] = _series()(values.to_numpy())
    return series


@cache
def _series() -> type[Any]:
    """The class, made at its first use: importing pandas takes half a second."""
    import pandas as pd

    base: Any = pd.Series  # whose stubs call `ewm` final, which it is not.

    class Prices(base):  # type: ignore[misc]  # as the base has no type.
        @property
        def _constructor(self) -> type[Any]:
            return Prices

        def rolling(self, window: int, *args: Any, **options: Any) -> Any:
            return _Windows(self, window, super().rolling(window, *args, **options))

        def ewm(self, *args: Any, **options: Any) -> Any:
            return _Smoothing(self, super().ewm(*args, **options))

    return Prices


class _Windows:
    """What `rolling` returns; the greatest and the least of a window are exact in pandas, too."""

    def __init__(self, series: Any, window: int, of_pandas: Any) -> None:
        self._series, self._window, self._of_pandas = series, window, of_pandas

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of_pandas, name)

    def sum(self) -> Any:
        return _like(self._series, doubling.sums(_numbers(self._series), self._window))

    def mean(self) -> Any:
        return _like(self._series, doubling.means(_numbers(self._series), self._window))

    def std(self, ddof: int = 1) -> Any:
        return _like(self._series, doubling.deviations(_numbers(self._series), self._window, ddof))


class _Smoothing:
    """What `ewm` returns: the mean alone, which `ta` asks for with `adjust=False`."""

    def __init__(self, series: Any, of_pandas: Any) -> None:
        self._series, self._alpha, self._needed = series, 1 / (1 + of_pandas._com), of_pandas.min_periods  # noqa: SLF001 - pandas names its parameter in no other way.

    def mean(self) -> Any:
        values = _numbers(self._series)
        skip = int(np.isnan(values).argmin()) if not np.isnan(values).all() else len(values)
        means = doubling.exponential_means(values, self._alpha, seed=1, skip=skip)
        means[: skip + max(self._needed - 1, 0)] = np.nan
        return _like(self._series, means)


def _numbers(series: Any) -> Array:
    return np.asarray(series, dtype=np.float64)


def _like(series: Any, values: Array) -> Any:
    return type(series)(values, index=series.index)
