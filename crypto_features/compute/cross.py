"""Kernels over the symbols of one bar time: what each value is among all of them.

They go into the expressions of a group that declares `across="symbols"`. Symbols without a value take no part, and
their own value is null. Values are sorted before they are added, by one fixed tree of sums: a result depends on the
values of its bar time alone, to the bit, and not on the order of symbols or on how many bar times are computed at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.compute.doubling import Array

Values = pl.Expr | str
"""An expression, or the name of a column."""
Kernel = Callable[[Array, Array], Array]
"""`kernel(known, count)`: a row per bar time, its values first and then NaN; how many values each row has."""

CELLS = 1 << 20
"""Values that are computed at once."""
_UNSIGNED = 0.0
"""Added, it makes 0 of −0, so that the two are a tie."""


def rank(values: Values) -> pl.Expr:
    """Rank among the symbols, 0 of the least to 1 of the greatest; equal values share the mean of their ranks.

    Null if fewer than two symbols have a value.
    """
    return _among(values, _ranks)


def demean(values: Values) -> pl.Expr:
    """The value less the mean of all symbols; exactly 0 where all are equal."""
    return _among(values, lambda known, count: known - _means(_ordered(known), count))


def zscore(values: Values) -> pl.Expr:
    """Distance from the mean of all symbols in sample deviations (ddof 1); null if all are equal or there is one."""

    def scores(known: Array, count: Array) -> Array:
        return _ratio(known - _means(_ordered(known), count), _deviations(known, count))

    return _among(values, scores)


def share(values: Values) -> pl.Expr:
    """The value's share in the sum over all symbols, as of volumes; null if the sum is 0."""
    return _among(values, lambda known, count: _ratio(known, _sums(_ordered(known), count)))


def dispersion(values: Values) -> pl.Expr:
    """Sample deviation (ddof 1) of the values of all symbols, the same for each of them; null if there is one."""
    return _among(values, _deviations, everywhere=True)


def breadth(condition: Values) -> pl.Expr:
    """Share of the symbols, 0 to 1, for which a condition holds, the same for each of them.

    Args:
        condition: True or false; a symbol of which neither is known takes no part.
    """

    def held(known: Array, count: Array) -> Array:
        shares: Array = np.nansum(known, axis=1, keepdims=True) / count
        return shares

    return _among(condition, held, everywhere=True)


def _among(values: Values, kernel: Kernel, *, everywhere: bool = False) -> pl.Expr:
    column = pl.col(values) if isinstance(values, str) else values
    return pl.map_batches(
        [pl.col("event_timestamp"), column.cast(pl.Float64)], Among(kernel, everywhere), return_dtype=pl.Float64
    )


@dataclass(frozen=True)
class Among:
    """A function of the times of rows and their values, which hands the values of each time to a kernel.

    Args:
        kernel: What is computed.
        everywhere: Whether its result is that of every symbol, with a value or without.
    """

    kernel: Kernel
    everywhere: bool

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        """The results, in the order of the rows; NaN becomes null."""
        times, values = series[0].to_physical().to_numpy(), series[1].to_numpy() + _UNSIGNED
        times, values = np.broadcast_arrays(times, values)
        order = None if np.all(times[1:] >= times[:-1]) else np.argsort(times, kind="stable")
        out = self._results(*((times, values) if order is None else (times[order], values[order])))
        if order is not None:
            out[order] = out.copy()
        return pl.Series(series[1].name, out, nan_to_null=True)

    def _results(self, times: npt.NDArray[np.int64], values: Array) -> Array:
        """The results of values that are sorted by time."""
        there = np.flatnonzero(~np.isnan(values))
        found, out = np.full(there.shape, np.nan), np.full(values.shape, np.nan)
        at = times[there]
        first = np.flatnonzero(np.r_[True, at[1:] != at[:-1]]) if at.size else np.zeros(0, dtype=np.int64)
        lengths = np.diff(np.r_[first, at.size])
        rows = max(CELLS // int(lengths.max(initial=1)), 1)
        per_time = np.full(first.shape, np.nan)
        for start in range(0, first.size, rows):
            size = lengths[start : start + rows]
            held = np.arange(size.max()) < size[:, None]
            part = slice(first[start], first[start] + size.sum())
            known = np.full(held.shape, np.nan)
            known[held] = values[there[part]]
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                results = self.kernel(known, size[:, None].astype(np.float64))
            if self.everywhere:
                per_time[start : start + rows] = results[:, 0]
            else:
                found[part] = results[held]
        if not self.everywhere:
            out[there] = found
        elif at.size:
            place = np.searchsorted(at[first], times).clip(max=first.size - 1)
            out = np.where(at[first][place] == times, per_time[place], np.nan)
        return out


def _ordered(known: Array) -> Array:
    """Each row sorted, what is missing last."""
    return np.sort(known, axis=1)


def _ranks(known: Array, count: Array) -> Array:
    order = np.argsort(known, axis=1)
    ordered, places = np.take_along_axis(known, order, axis=1), np.arange(known.shape[1], dtype=np.int32)
    begins = np.ones(known.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones(known.shape, dtype=bool)
    ends[:, :-1] = begins[:, 1:]
    least = np.maximum.accumulate(np.where(begins, places, np.int32(0)), axis=1)
    greatest = np.where(ends, places, np.int32(known.shape[1]))[:, ::-1]
    greatest = np.minimum.accumulate(greatest, axis=1)[:, ::-1]
    ranks = np.empty(known.shape)
    np.put_along_axis(ranks, order, (least + greatest) / (2 * (count - 1)), axis=1)
    return np.where(count > 1, ranks, np.nan)


def _means(ordered: Array, count: Array) -> Array:
    """The mean of each sorted row; exactly the value where all are equal."""
    least = ordered[:, :1]
    means: Array = least + _sums(ordered - least, count) / count
    return means


def _deviations(known: Array, count: Array) -> Array:
    ordered = _ordered(known)
    apart = ordered - _means(ordered, count)
    return np.sqrt(_sums(apart * apart, count) / (count - 1))


def _sums(ordered: Array, count: Array) -> Array:
    """The sum of each row by pairs of neighbours, then by pairs of these sums, and so on."""
    sums = np.where(np.arange(ordered.shape[1]) < count, ordered, 0.0)
    while sums.shape[1] > 1:
        if sums.shape[1] % 2:
            sums = np.concatenate([sums, np.zeros((len(sums), 1))], axis=1)
        sums = sums[:, ::2] + sums[:, 1::2]
    return sums


def _ratio(values: Array, by: Array) -> Array:
    """The quotient; NaN where the divisor is 0."""
    return np.where(by == 0, np.nan, values / by)
