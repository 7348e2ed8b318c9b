"""Purged and embargoed folds over whole days.

A training row is purged if its label overlaps a test: its window, from the close of its bar until its label is known,
shares time with that of a test row. Symbols do not matter: coins move together. Source: Marcos López de Prado, Advances
in Financial Machine Learning, 2018, chapter 7.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.folds import Folds, KFold, WalkForward

TRAIN, TEST, NEITHER = 1, 2, 0
"""What a row is in a fold: purged and embargoed rows, and those after a walk-forward's test, are neither."""
Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_NEVER = np.iinfo(np.int64).max // 2


def assign(scheme: Folds, times: pl.Series, known_at: pl.Series, rows: pl.Series | None = None) -> pl.DataFrame:
    """What each row is in each fold.

    A day holds the rows that close after its midnight up to and with the next, as a month does.

    Args:
        scheme: How the rows are divided.
        times: `event_timestamp` of each row, in any order, of any number of symbols.
        known_at: When the label of each row is known.
        rows: How many rows each one stands for; by default one.

    Returns:
        Columns `fold_0`, `fold_1`, ... of `Int8`: 1 train, 2 test, 0 neither.

    Raises:
        InputError: if a row has no time, a label is known before its row, or a fold has nothing to train on or to test.
    """
    start, end = microseconds(times), microseconds(known_at)
    if (end < start).any():
        raise InputError(f"{(end < start).sum()} labels are known before the time of their row; pass known_at last.")
    counts = np.ones(len(start), np.int64) if rows is None else rows.cast(pl.Int64).to_numpy()
    columns = {}
    for number, (train, test) in enumerate(_folds(scheme, start, end, counts)):
        for part, chosen in (("train on", train), ("test", test)):
            if not chosen.any():
                raise InputError(
                    f"fold_{number} of {scheme} has no row to {part}: {counts.sum()} rows on "
                    f"{len(np.unique(_days(start)))} days; declare fewer folds, a shorter embargo or a shorter horizon."
                )
        columns[f"fold_{number}"] = np.select([test, train], [TEST, TRAIN], NEITHER).astype(np.int8)
    return pl.DataFrame(columns)


def microseconds(times: pl.Series) -> Times:
    """Times as microseconds since 1970, UTC.

    Raises:
        InputError: if one is null.
    """
    if times.null_count():
        raise InputError(f"{times.null_count()} rows have no {times.name or 'time'}; leave rows without a label out.")
    return times.cast(TIME).to_physical().to_numpy()


def _folds(scheme: Folds, start: Times, end: Times, rows: Times) -> Iterator[tuple[Mask, Mask]]:
    """The rows to train on and to test of each fold."""
    if isinstance(scheme, WalkForward):
        yield from _walk_forward(scheme, start, end, rows)
        return
    groups, chosen = (scheme.folds, 1) if isinstance(scheme, KFold) else (scheme.groups, scheme.test_groups)
    block, embargo = _blocks(_days(start), rows, groups), _length(scheme.embargo)
    for choice in combinations(range(groups), chosen):
        tests = [block == one for one in choice]
        yield _kept(start, end, tests, embargo), np.logical_or.reduce(tests)


def _kept(start: Times, end: Times, tests: Sequence[Mask], embargo: int) -> Mask:
    """The rows that no span of test days purges, and that none of them embargoes."""
    keep = np.ones(len(start), np.bool_)
    for test in tests:
        if test.any():  # the labels of a span of days cover the time from the first to the last without a gap.
            first, last = start[test].min(), end[test].max()
            keep &= ~test & ~((start < last) & (end > first)) & ~((start >= first) & (start < last + embargo))
    return keep


def _walk_forward(scheme: WalkForward, start: Times, end: Times, rows: Times) -> Iterator[tuple[Mask, Mask]]:
    days = _days(start)
    if scheme.min_train is None:
        block = _blocks(days, rows, scheme.folds + 1) - 1
    else:
        late = days >= days.min(initial=_NEVER) - _length(scheme.min_train) // -_DAY
        block = np.full(len(start), -1)
        block[late] = _blocks(days[late], rows[late], scheme.folds)
    for number in range(scheme.folds):
        test = block == number
        begins = start[test].min(initial=_NEVER)
        train = (block < number) & (end <= begins - _length(scheme.embargo))
        if scheme.max_train is not None:
            train &= start >= begins - _length(scheme.max_train)
        yield train, test


def _blocks(days: Times, rows: Times, count: int) -> Times:
    """The number of the span of days to which each row belongs, of spans with about equal numbers of rows."""
    own, place = np.unique(days, return_inverse=True)
    of_day = np.bincount(place, rows, len(own)).astype(np.int64)
    before = np.cumsum(of_day) - of_day
    return (before * count // max(int(rows.sum()), 1))[place]


def _days(start: Times) -> Times:
    return (start - 1) // _DAY


def _length(value: timedelta | str) -> int:
    return length(value, "a length of the folds") // timedelta(microseconds=1)
