"""Ranks and rank correlations of rows, in one pass over a matrix of times by symbols."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def row_ranks(values: Floats) -> Floats:
    """The rank of each value in its row, 1 of the least; equal values share the mean of their ranks.

    Args:
        values: Rows by columns; NaN where there is no value, which has no rank.
    """
    if not values.size:
        return values.copy()
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run = np.cumsum(begins.ravel()) - 1
    place = np.tile(np.arange(1.0, ordered.shape[1] + 1), ordered.shape[0])
    mean = np.bincount(run, place) / np.bincount(run)
    ranks = np.empty_like(values)
    np.put_along_axis(ranks, order, mean[run].reshape(ordered.shape), axis=1)
    return np.where(np.isnan(values), np.nan, ranks)


def standardized(values: Floats) -> Floats:
    """Each row less its mean, over its standard deviation (ddof 0); NaN in a row without variation."""
    counts = np.maximum((~np.isnan(values)).sum(axis=1, keepdims=True), 1)
    centred = values - np.nansum(values, axis=1, keepdims=True) / counts
    deviation = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / counts)
    scaled: Floats = centred / np.where(deviation > 0, deviation, np.nan)
    return scaled


def paired(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Both, each without the values that lack their partner: ranks of pairs are ranks among pairs."""
    both = ~(np.isnan(one) | np.isnan(other))
    return np.where(both, one, np.nan), np.where(both, other, np.nan)


def row_correlations(one: Floats, other: Floats, *, least: int) -> Floats:
    """Spearman's rank correlation of each pair of rows over the columns that both have.

    Args:
        one: Rows by columns, NaN where there is no value.
        other: As `one`.
        least: With fewer pairs in a row, or without variation, its correlation is NaN.
    """
    first, second = paired(one, other)
    pairs = (~np.isnan(first)).sum(axis=1)
    products = np.nansum(standardized(row_ranks(first)) * standardized(row_ranks(second)), axis=1)
    varies = ~(_constant(first) | _constant(second))
    return np.where((pairs >= least) & varies, products / np.maximum(pairs, 1), np.nan)


def _constant(values: Floats) -> NDArray[np.bool_]:
    low = np.min(values, axis=1, initial=np.inf, where=~np.isnan(values))
    high = np.max(values, axis=1, initial=-np.inf, where=~np.isnan(values))
    constant: NDArray[np.bool_] = low >= high
    return constant
