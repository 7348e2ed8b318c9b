"""Thousands of seeds of the simulated network, and many symbols at once: live equals the batch."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import polars as pl
import pytest

import crypto_features as cf
from crypto_features.live.replay import Stored, replay
from tests.live.minutes import moves, ticks
from tests.live.walks import walks

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]
BLOCKS = 10
"""Parts of the seeds, so that several cores take them."""
FEW, MANY = ("A", "B"), tuple(f"S{number:03}" for number in range(1_000))


@cache
def catalog() -> cf.Catalog:
    return cf.Catalog(moves)


def holds(market: Stored, seed: int) -> tuple[int, Counter[str]]:
    """How many candles became final, and by what; everything that is published is what the batch computes."""
    found = replay(catalog(), market, seed)
    assert found.wrong(catalog(), market) == [], f"seed {seed}: replay(catalog(), market, {seed}) repeats it"
    assert found.counts["rejected"] == found.counts["unreadable"] == 0, f"seed {seed}"
    return len(found.entries), found.counts


@pytest.mark.parametrize("block", range(BLOCKS))
def test_each_of_ten_thousand_seeds_holds(block: int, count: Callable[..., int]) -> None:
    market, seeds = walks(FEW, 3, catalog()), count(ci=1, proof=1_000)
    met = Counter[str]()
    for seed in range(block * seeds, (block + 1) * seeds):
        met += holds(market, seed)[1]
    assert met["flag"] + met["rest"] == seeds * market.candles.height


def test_no_open_candle_of_a_hundred_thousand_closings_is_taken_as_closed(count: Callable[..., int]) -> None:
    minutes = count(ci=1, proof=5)
    market, closings = walks(MANY, minutes, catalog()), 0
    for seed in range(count(ci=1, proof=20)):
        holds(market, seed)
        closings += market.candles.height
    assert closings == count(ci=1_000, proof=100_000)


def running_mean(values: pl.Series) -> pl.Series:
    """A mean that adds the new value and subtracts the old one: its last bits depend on where it began."""
    total, means = 0.0, list[float | None]()
    for number, value in enumerate(values):
        total += value - (values[number - 20] if number >= 20 else 0.0)
        means.append(total / 20 if number >= 19 else None)
    return pl.Series(means, dtype=pl.Float64)


def test_a_mean_that_carries_its_sum_along_fails_where_one_of_its_window_holds() -> None:
    """The control: equal to 1e-12, and not equal."""
    means = {
        "carried": pl.col("close").map_batches(running_mean, return_dtype=pl.Float64),
        "windowed": cf.window_mean(pl.col("close"), 20),
    }
    for name, mean in means.items():
        group = cf.FeatureGroup(name, name, bars=ticks, features=[cf.Feature("mean", mean, name, "price", window=20)])
        one = cf.Catalog(group)
        market = walks(FEW, 5, one, timedelta(days=9))
        wrong = replay(one, market, 0).wrong(one, market)
        assert bool(wrong) == (name == "carried"), wrong
        assert all("rows of carried are not those of the batch" in what for what in wrong)
