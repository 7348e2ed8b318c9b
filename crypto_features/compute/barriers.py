"""Which of two prices a market reaches first: the kernel of barrier labels, over bars in arrays.

A bar that opens at or beyond a barrier is decided by its open; one whose range holds both barriers is not decided.
Source of the method: Marcos López de Prado, Advances in Financial Machine Learning, 2018, chapter 3.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crypto_features.compute.doubling import Array

Index = npt.NDArray[np.int64]
Side = npt.NDArray[np.int8]
UPPER, LOWER, BOTH, NEITHER = 1, -1, 2, 0
"""Sides: a bar of which both barriers lie within its range is not decided."""


class Prices(NamedTuple):
    """Open, high and low of bars, one symbol after the other, in time order."""

    open: Array
    high: Array
    low: Array


def ranges(starts: Index, times: Index, since: Index, until: Index, symbol: Index) -> tuple[Index, Index]:
    """The bars that open within spans of time, as the first one and the one after the last.

    Args:
        starts: Where each symbol begins among the bars, and where the last one ends.
        times: When each bar opens; in order within a symbol.
        since: When each span begins; a bar that opens then is in it.
        until: When each span ends; a bar that opens then is not.
        symbol: The symbol of each span, by its place in `starts`; -1 for one without bars.
    """
    first, last = np.zeros(len(since), np.int64), np.zeros(len(since), np.int64)
    order = np.argsort(symbol, kind="stable")
    edges = np.searchsorted(symbol[order], np.arange(len(starts)))
    for one, (begin, end) in enumerate(pairwise(starts)):
        own = order[edges[one] : edges[one + 1]]
        first[own] = begin + np.searchsorted(times[begin:end], since[own])
        last[own] = begin + np.searchsorted(times[begin:end], until[own])
    return first, last


def first_touch(prices: Prices, upper: Array, lower: Array, first: Index, last: Index) -> tuple[Index, Side]:
    """The first bar of each range that reaches a barrier, and which one.

    All ranges advance by a bar at once; those that are decided leave. So the work is that of the bars looked at.

    Args:
        prices: The bars.
        upper: The upper barrier of each range; infinite for none.
        lower: The lower barrier of each range.
        first: The first bar of each range.
        last: The bar after the last one.

    Returns:
        The index of the bar, -1 without a touch, and `UPPER`, `LOWER`, `BOTH` within one bar, or `NEITHER`.
    """
    at, side = np.full(len(first), -1, np.int64), np.zeros(len(first), np.int8)
    live = np.flatnonzero(first < last)
    bar = first[live]
    while live.size:
        found = _sides(Prices(*(column[bar] for column in prices)), upper[live], lower[live])
        hit = found != NEITHER
        at[live[hit]], side[live[hit]] = bar[hit], found[hit]
        more = ~hit & (bar + 1 < last[live])
        live, bar = live[more], bar[more] + 1
    return at, side


def _sides(bars: Prices, upper: Array, lower: Array) -> Side:
    above, below = bars.high >= upper, bars.low <= lower
    cases = [bars.open >= upper, bars.open <= lower, above & below, above, below]
    return np.select(cases, [UPPER, LOWER, BOTH, UPPER, LOWER], NEITHER).astype(np.int8)
