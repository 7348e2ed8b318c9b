"""Folds hold against an oracle that compares every training row with every test row."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.folds import Combinatorial, Folds, KFold, WalkForward
from crypto_features.training.folds import NEITHER, TEST, TRAIN, assign

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
Panel = list[tuple[datetime, datetime]]


def panel(rng: np.random.Generator) -> Panel:
    """Rows of several symbols in no order: with days that are missing, rows at one time, and labels of no length."""
    days = int(rng.integers(12, 30))
    steps = rng.choice([4, 6, 24])
    rows = []
    for _ in range(int(rng.integers(1, 5))):
        first = int(rng.integers(0, days // 2))
        opened = [START + first * DAY + i * int(steps) * HOUR for i in range((days - first) * 24 // int(steps))]
        ahead = rng.choice([0, 1, 5, 30, 72, 140], len(opened)) * HOUR
        rows += [(t, t + a) for t, a in zip(opened, ahead, strict=True) if rng.random() > 0.2]
    gap = START + int(rng.integers(0, days)) * DAY
    rows = [row for row in rows if not gap <= row[0] < gap + 2 * DAY]
    return [rows[i] for i in rng.permutation(len(rows))]


def series(rows: Panel) -> tuple[pl.Series, pl.Series]:
    times, known = zip(*rows, strict=True)
    return pl.Series("event_timestamp", times), pl.Series("known_at", known)


def day_of(time: datetime) -> int:
    """A row that closes at midnight belongs to the day before, as in a month."""
    return (time - START - timedelta(microseconds=1)) // DAY


def spans(days: list[int], count: int) -> list[set[int]]:
    """The days of each of `count` spans with about equal numbers of rows; `days` has one for each row."""
    found: list[set[int]] = [set() for _ in range(count)]
    before = 0
    for day, rows in sorted(Counter(days).items()):
        found[before * count // len(days)].add(day)
        before += rows
    return found


def oracle(scheme: Folds, rows: Panel) -> Iterator[list[int]]:
    """Each row against each test row."""
    days, embargo = [day_of(time) for time, _ in rows], length(scheme.embargo, "") / HOUR
    start, end = (np.array([(time - START) / HOUR for time in times]) for times in zip(*rows, strict=True))
    overlap = (start[:, None] < end) & (start < end[:, None])
    if isinstance(scheme, WalkForward):
        least = -(-length(scheme.min_train or "0d", "") // DAY) + min(days)
        parts = spans(days, scheme.folds + 1)[1:] if scheme.min_train is None else []
        parts = parts or spans([day for day in days if day >= least], scheme.folds)
        for part in parts:
            tested = np.isin(days, [*part])
            begins = start[tested].min(initial=1e9)
            early = (
                (np.array(days) < min(part, default=0)) & (end <= begins - embargo) & ~overlap[:, tested].any(axis=1)
            )
            early &= start >= begins - length(scheme.max_train or "36500d", "") / HOUR
            yield np.where(tested, TEST, np.where(early, TRAIN, NEITHER)).tolist()
        return
    groups, chosen = (scheme.folds, 1) if isinstance(scheme, KFold) else (scheme.groups, scheme.test_groups)
    for choice in combinations(spans(days, groups), chosen):
        tested = np.isin(days, [day for part in choice for day in part])
        kept = ~tested & ~overlap[:, tested].any(axis=1)
        for part in filter(None, choice):
            own = np.isin(days, [*part])
            kept &= (start < start[own].min()) | (start >= end[own].max() + embargo)
        yield np.where(tested, TEST, np.where(kept, TRAIN, NEITHER)).tolist()


def schemes(rng: np.random.Generator) -> list[Folds]:
    embargo = str(rng.choice(["0d", "1d", "30h"]))
    return [
        KFold(folds=int(rng.integers(2, 6)), embargo=embargo),
        Combinatorial(groups=int(rng.integers(4, 6)), test_groups=2, embargo=embargo),
        WalkForward(folds=int(rng.integers(1, 4)), embargo=embargo),
        WalkForward(folds=2, embargo=embargo, min_train="150h", max_train="8d"),
    ]


def test_folds_equal_the_oracle_on_200_random_panels() -> None:
    equal = refused = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rows = panel(rng)
        scheme = schemes(rng)[seed % 4]
        expected = [*oracle(scheme, rows)]
        empty = [n for n, fold in enumerate(expected) if not {TRAIN, TEST} <= {*fold}]
        if empty:
            with pytest.raises(InputError, match=f"^fold_{empty[0]} of {type(scheme).__name__}"):
                assign(scheme, *series(rows))
            refused += 1
            continue
        found = assign(scheme, *series(rows))
        assert found.columns == [f"fold_{n}" for n in range(len(expected))]
        assert [column.to_list() for column in found] == expected
        assert set(found.dtypes) == {pl.Int8}
        equal += 1
    assert equal > 150
    assert refused > 0


def hourly(days: int, ahead: timedelta = HOUR) -> Panel:
    closes = [START + (i + 1) * HOUR for i in range(24 * days)]
    return [(close, close + ahead) for close in closes]


def test_a_day_is_never_torn_and_ends_with_the_bar_that_closes_at_midnight() -> None:
    found = assign(KFold(folds=3), *series(hourly(9)))
    for fold in found:
        sides = [{*fold[i : i + 24]} for i in range(0, 24 * 9, 24)]
        assert [side for side in sides if TEST in side] == [{TEST}] * 3


def test_daily_walk_forward_tests_follow_one_another() -> None:
    days = [(START + i * DAY, START + (i + 2) * DAY) for i in range(1, 13)]
    found = assign(WalkForward(folds=3), *series(days))
    assert found["fold_0"].to_list() == [1, 1, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0]
    assert found["fold_2"].to_list() == [1] * 8 + [0, 2, 2, 2]
    wide = assign(WalkForward(folds=3, embargo="1d"), *series(days))
    assert wide["fold_0"].to_list() == [1, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0]
    short = assign(WalkForward(folds=3, max_train="5d"), *series(days))
    assert short["fold_2"].to_list() == [0] * 4 + [1] * 4 + [0, 2, 2, 2]


def test_the_embargo_follows_the_last_label_of_a_test() -> None:
    days = [(START + i * DAY, START + (i + 1) * DAY) for i in range(1, 10)]
    assert assign(KFold(folds=3), *series(days))["fold_1"].to_list() == [1, 1, 1, 2, 2, 2, 1, 1, 1]
    held = assign(KFold(folds=3, embargo="2d"), *series(days))
    assert held["fold_1"].to_list() == [1, 1, 1, 2, 2, 2, 0, 0, 1]
    assert held["fold_2"].to_list() == [1, 1, 1, 1, 1, 1, 2, 2, 2]


def test_every_row_is_tested_once_by_k_fold_and_equally_often_by_all_combinations() -> None:
    rows = series(hourly(12))
    assert (assign(KFold(folds=4), *rows) == TEST).sum_horizontal().to_list() == [1] * 288
    paths = assign(Combinatorial(groups=6, test_groups=2), *rows)
    assert paths.width == 15
    assert (paths == TEST).sum_horizontal().to_list() == [5] * 288


def test_a_fold_that_would_be_empty_is_named() -> None:
    rows = series(hourly(3))
    with pytest.raises(InputError, match=r"^fold_1 of KFold\(folds=9, .*has no row to test: 72 rows on 3 days; decl"):
        assign(KFold(folds=9), *rows)
    long = series(hourly(3, ahead=40 * DAY))
    with pytest.raises(InputError, match=r"^fold_0 of WalkForward.* has no row to train on"):
        assign(WalkForward(folds=2), *long)
    with pytest.raises(InputError, match=r"^fold_0 of KFold.* has no row to"):
        assign(KFold(folds=2), pl.Series([], dtype=pl.Datetime("us", "UTC")), pl.Series([], dtype=pl.Datetime("us")))


def test_rows_that_cannot_be_divided_are_refused() -> None:
    times, known = series(hourly(3))
    gone = known.set(known == known[5], None)
    with pytest.raises(InputError, match=r"^1 rows have no known_at; leave rows without a label out"):
        assign(KFold(folds=2), times, gone)
    with pytest.raises(InputError, match=r"^72 labels are known before the time of their row"):
        assign(KFold(folds=2), known, times)


def test_a_scheme_that_cannot_be_is_refused_where_it_is_declared() -> None:
    with pytest.raises(InputError, match=r"^KFold declares folds=1; expected 2 or more"):
        KFold(folds=1)
    with pytest.raises(InputError, match=r"^Combinatorial declares groups=2; expected 3 or more"):
        Combinatorial(groups=2, test_groups=2)
    with pytest.raises(InputError, match=r"^Combinatorial declares test_groups=0"):
        Combinatorial(groups=2, test_groups=0)
    with pytest.raises(InputError, match=r"^WalkForward declares folds=0"):
        WalkForward(folds=0)
    with pytest.raises(InputError, match=r"^the embargo of KFold: 'a day' is not a duration"):
        KFold(folds=2, embargo="a day")
    with pytest.raises(InputError, match=r"^the min_train of WalkForward is -1 day"):
        WalkForward(folds=2, min_train=-DAY)


def test_spans_of_a_panel_hold_about_equal_numbers_of_rows() -> None:
    rows = hourly(60) + hourly(60)[720:]  # a second symbol came halfway.
    found = assign(KFold(folds=3), *series(rows))
    sizes = [fold.to_list().count(TEST) for fold in found]
    assert max(sizes) - min(sizes) <= 2 * 48
