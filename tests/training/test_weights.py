"""Weights equal their definition, counted label by label with exact fractions."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from crypto_features.errors import InputError
from crypto_features.training.weights import time_decay, uniqueness

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
Labels = list[tuple[str, int, int]]


def frame(labels: Labels) -> pl.DataFrame:
    symbols, starts, ends = zip(*labels, strict=True)
    times = {"start": [START + s * HOUR for s in starts], "end": [START + e * HOUR for e in ends]}
    return pl.DataFrame({"symbol": symbols, **times})


def weights(labels: Labels) -> list[float]:
    return uniqueness(*frame(labels)).to_list()


def counted(labels: Labels) -> list[Fraction]:
    """Hour by hour: the mean of 1 / the labels of the symbol that are open; at one instant for those without length."""
    found = []
    for symbol, start, end in labels:
        own = [(s, e) for name, s, e in labels if name == symbol]
        hours = range(start, end) or [start]
        shares = [
            Fraction(
                1, sum(s <= hour < e for s, e in own) + (0 if end > start else sum(s == e == hour for s, e in own))
            )
            for hour in hours
        ]
        found.append(sum(shares, Fraction(0)) / len(shares))
    return found


def test_uniqueness_equals_a_count_of_every_hour() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, 60, 60)
        ends = starts + rng.choice([0, 1, 3, 10, 24], 60)
        labels = [(f"S{rng.integers(3)}", int(s), int(e)) for s, e in zip(starts, ends, strict=True)]
        assert weights(labels) == pytest.approx([float(share) for share in counted(labels)], rel=1e-12)


def test_labels_of_a_hand_made_market() -> None:
    # A covers 0-4, B 2-6: alone for half of the time, shared for the other half. C of another symbol is alone.
    assert weights([("X", 0, 4), ("X", 2, 6), ("Y", 1, 5)]) == [0.75, 0.75, 1]
    assert weights([("X", 0, 5)] * 4) == [0.25] * 4
    assert weights([("X", 0, 2), ("X", 2, 4)]) == [1, 1]
    assert weights([("X", 3, 3), ("X", 3, 3), ("X", 0, 9)]) == pytest.approx([1 / 3, 1 / 3, 1])


def test_a_weight_depends_on_the_labels_it_overlaps_and_on_nothing_else_to_the_bit() -> None:
    rng = np.random.default_rng(5)
    labels = [("X", i, i + int(rng.integers(1, 50))) for i in range(3000)]
    whole = weights(labels)
    part = weights(labels[1000:1500])
    assert part[60:400] == whole[1060:1400]
    order = rng.permutation(3000)
    assert [whole[i] for i in order] == weights([labels[i] for i in order])


def test_thirty_years_of_minutes_are_counted_exactly() -> None:
    ends = [0, 1, 30 * 365 * 24]
    assert weights([("X", 0, ends[2]), ("X", 0, 1)]) == pytest.approx([1 - 0.5 / ends[2], 0.5], rel=1e-12)


def test_weights_halve_with_each_half_life() -> None:
    times = pl.Series([START + i * 24 * HOUR for i in (0, 10, 20, 5)])
    assert time_decay(times, "10d").to_list() == pytest.approx([0.25, 0.5, 1, 0.25 * 2**0.5])
    assert time_decay(times, "10d", newest=START + 30 * 24 * HOUR).to_list()[2] == 0.5
    assert time_decay(times.head(0), "10d").to_list() == []


def test_labels_that_cannot_be_weighed_are_refused() -> None:
    with pytest.raises(InputError, match=r"^1 labels end before they start"):
        weights([("X", 3, 2), ("X", 0, 1)])
    with pytest.raises(InputError, match=r"^1 rows have no end"):
        uniqueness(*frame([("X", 0, 1)]).with_columns(end=pl.lit(None, pl.Datetime("us", "UTC"))))
    with pytest.raises(InputError, match=r"^the half-life of weights is 0d; expected"):
        time_decay(pl.Series([START]), "0d")
    assert uniqueness(*frame([("X", 0, 1)]).head(0)).to_list() == []
