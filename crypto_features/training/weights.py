"""Weights of training rows: labels that overlap share what they tell, and old ones may count less."""

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.training.folds import Times, microseconds

_PARTS = 2**13
"""Parts of a microsecond in which areas are added as whole numbers: 64 bits of them hold 35 years."""


def uniqueness(symbol: pl.Series, start: pl.Series, end: pl.Series) -> pl.Series:
    """Average uniqueness of each label: the mean over its window of 1 / the number of its symbol's labels then.

    Labels count from their start until before their end; one without a length shares its instant with those that
    cover it. Areas are added as whole numbers, so a weight depends on the labels that its own overlaps and on nothing
    else, to the bit. Source: Marcos López de Prado, Advances in Financial Machine Learning, 2018, chapter 4.

    Args:
        symbol: Symbol of each row, in any order.
        start: `event_timestamp` of each row.
        end: When its label is known.

    Returns:
        More than 0 and at most 1, as `Float64`: 1 for a label that overlaps no other.

    Raises:
        InputError: if a row has no time, or a label ends before it starts.
    """
    begins, ends = microseconds(start), microseconds(end)
    if (ends < begins).any():
        raise InputError(f"{(ends < begins).sum()} labels end before they start; pass start and end in this order.")
    weights = np.empty(len(begins))
    by_symbol = pl.DataFrame({"symbol": symbol}).with_row_index("row").group_by("symbol").agg("row")
    for own in (rows.to_numpy() for rows in by_symbol["row"]):
        weights[own] = _of_symbol(begins[own], ends[own])
    return pl.Series("uniqueness", weights)


def time_decay(time: pl.Series, half_life: timedelta | str, newest: datetime | None = None) -> pl.Series:
    """Weights that halve with every half-life before the newest row: 2^(−age / half-life).

    Args:
        time: `event_timestamp` of each row.
        half_life: Such as `"365d"`.
        newest: The time at which the weight is 1; by default that of the newest row.

    Raises:
        InputError: if a row has no time, or the half-life is not above 0.
    """
    micros, life = microseconds(time), length(half_life, "the half-life of weights")
    if life <= timedelta(0):
        raise InputError(f"the half-life of weights is {half_life}; expected a length of time above 0, such as 365d.")
    last = micros.max(initial=0) if newest is None else microseconds(pl.Series([newest])).item()
    return pl.Series("time_decay", np.exp2((micros - last) / (life / timedelta(microseconds=1))))


def _of_symbol(start: Times, end: Times) -> npt.NDArray[np.float64]:
    """The number of labels is constant between the times at which one begins or ends."""
    edges = np.unique(np.concatenate([start, end]))
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, end)
    size = len(edges) + 1
    together = np.cumsum(np.bincount(first, minlength=size) - np.bincount(last, minlength=size))
    pieces = np.diff(edges) * _PARTS // np.maximum(together[: len(edges) - 1], 1)
    area = np.concatenate([[0], np.cumsum(pieces)])
    spans = (edges[last] - edges[first]) * _PARTS
    instants = together + np.bincount(first[first == last], minlength=size)
    alone = 1 / np.maximum(instants[first], 1)
    return np.where(first == last, alone, (area[last] - area[first]) / np.maximum(spans, 1))
