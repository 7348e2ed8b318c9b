"""How values are compared with what followed: the symbols at one time, or each symbol with itself through time."""

import math
from typing import Literal

import numpy as np

from crypto_features.report.ranks import Floats, paired, row_correlations, row_ranks, standardized

Method = Literal["across symbols", "through time"]
LEAST_SYMBOLS = 5
"""With fewer symbols at a time, their ranks say next to nothing of each other."""
LEAST_TIMES = 30
"""With fewer times at which symbols can be compared, each symbol is compared with itself."""


def method_of(values: Floats, followed: Floats) -> Method:
    """Across symbols where these can be compared at enough times.

    Args:
        values: Times by symbols, NaN where there is no value.
        followed: What followed them.
    """
    compared = row_correlations(values, followed, least=LEAST_SYMBOLS)
    return "across symbols" if (~np.isnan(compared)).sum() >= LEAST_TIMES else "through time"


def by_time(method: Method, values: Floats, followed: Floats) -> tuple[Floats, Floats]:
    """What each time adds to the sum whose mean is the rank correlation, and its weight in that mean."""
    if method == "across symbols":
        found = row_correlations(values, followed, least=LEAST_SYMBOLS)
        return np.nan_to_num(found), (~np.isnan(found)).astype(np.float64)
    first, second = paired(values, followed)
    products = (standardized(row_ranks(first.T)) * standardized(row_ranks(second.T))).T
    return np.nansum(products, axis=1), (~np.isnan(products)).sum(axis=1).astype(np.float64)


def mean(values: Floats, weights: Floats) -> float:
    """The rank correlation; NaN of nothing."""
    return float(values.sum() / weights.sum()) if weights.sum() else math.nan


def turnover(method: Method, values: Floats, later: Floats) -> float:
    """The share, 0 to 1, of positions that changes: long by rank above the middle, short below it; NaN of nothing.

    Across symbols the positions of a time add up to 1 without their signs; through time each is between −1 and 1.
    """
    before, after = (_positions(method, part) for part in paired(values, later))
    changes = np.abs(after - before) / 2
    if method == "across symbols":
        changes = changes.sum(axis=1)
    changes = changes[~np.isnan(changes)]
    return float(changes.mean()) if changes.size else math.nan


def _positions(method: Method, values: Floats) -> Floats:
    if method == "through time":
        ranks = row_ranks(values.T).T
        between: Floats = 2 * (ranks - 0.5) / np.maximum((~np.isnan(ranks)).sum(axis=0), 1) - 1
        return between
    ranks = row_ranks(values)
    counts = (~np.isnan(ranks)).sum(axis=1, keepdims=True)
    centred = ranks - (counts + 1) / 2
    gross = np.nansum(np.abs(centred), axis=1, keepdims=True)
    return np.where(np.isnan(centred) & (counts > 0), 0.0, centred / np.where(gross > 0, gross, np.nan))
