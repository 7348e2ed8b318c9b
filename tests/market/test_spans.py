"""Spans of candles: exactly those that are there, whatever their order, gaps and versions."""

import random
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.market.spans import from_texts, joined, number, opening, spans_of, to_texts, without
from tests.market.market import HOUR, START, candles


@pytest.mark.parametrize("seed", range(20))
def test_spans_hold_exactly_the_candles_that_are_there(seed: int) -> None:
    rng = random.Random(seed)
    frame = candles("BTC", "ETH", "XRP", count=60).filter(pl.Series([rng.random() < 0.7 for _ in range(180)]))
    shuffled = pl.concat([frame, frame.sample(20, seed=seed)]).sample(fraction=1, shuffle=True, seed=seed)
    for given in (frame, shuffled):
        found = spans_of(given, HOUR)
        assert {s: [n for a, b in spans for n in range(a, b)] for s, spans in found.items()} == {
            symbol: [number(time, HOUR) for time in times]
            for symbol, times in frame.group_by("symbol", maintain_order=True).agg("open_time").iter_rows()
        }
        assert all(joined(spans) == spans for spans in found.values())
    first = number(START, HOUR)
    assert from_texts(to_texts(found, first), first) == found


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_is_the_difference_of_the_sets(seed: int) -> None:
    rng = random.Random(seed)
    taken = [(a, a + rng.randrange(6)) for a in (rng.randrange(-5, 50) for _ in range(8))]
    left = without((0, 40), taken)
    expected = set(range(40)) - {n for a, b in taken for n in range(a, b)}
    assert [n for a, b in left for n in range(a, b)] == sorted(expected)
    assert joined(left) == left


def test_no_candle_has_no_span() -> None:
    assert spans_of(candles("BTC", count=0), HOUR) == {}
    assert opening(number(START + timedelta(minutes=59), HOUR), HOUR) == START
