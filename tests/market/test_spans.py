"""Spans of candles: exactly those that are there, whatever their order, gaps and versions."""

import random
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.missing import gaps_in
from crypto_features.lake.candles import gaps
from crypto_features.lake.spans import from_texts, joined, number, opening, spans_of, to_texts, without
from crypto_features.lake.table import Table
from tests.market.market import HOUR, LATER, START, Offer, candles

MONTHS = ("2024-01", "2024-02", "2024-03")


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


def test_gaps_are_told_from_metadata_as_from_rows(tmp_path: Path) -> None:
    rng = random.Random(1)
    frame = candles("BTC", "ETH", count=1500).filter(pl.Series([rng.random() < 0.97 for _ in range(3000)]))
    outage = pl.col("open_time").is_between(START + 735 * HOUR, START + 760 * HOUR)  # over the end of January.
    frame = frame.filter(~outage)
    table, quarantine = (Table(UPath(tmp_path), name, "open_time", raw=True) for name in ("candles", "quarantine"))
    ingest(Offer(frame), table, quarantine, MONTHS, ("BTC", "ETH"), interval=HOUR, now=LATER)
    assert_frame_equal(gaps_in(table, MONTHS, HOUR), gaps(frame, HOUR))
    table.publish("2024-02", table.read(["2024-02"]))
    assert_frame_equal(gaps_in(table, MONTHS, HOUR), gaps(frame, HOUR))


def test_no_candle_has_no_span() -> None:
    assert spans_of(candles("BTC", count=0), HOUR) == {}
    assert opening(number(START + timedelta(minutes=59), HOUR), HOUR) == START
