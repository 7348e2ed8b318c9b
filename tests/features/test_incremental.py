"""Whatever happens to the candles, and in whatever order: the tables equal those of a single full build, to the bit."""

import random
from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.shipped import catalog, price_features
from crypto_features.tables.partition import compute_partition, evaluate
from crypto_features.versions.probe_market import START, probe_market
from crypto_features.versions.provenance import column_digests
from tests.features.markets import DAY, HOUR
from tests.features.memory_lake import MemoryLake

OPEN = pl.col("open_time")
DAYS = 75
"""Days of the market that the schedules play on: three months, a lost day among them."""


def schedule(random: random.Random, lake: MemoryLake, final: pl.DataFrame) -> None:
    """A few random events in the life of a lake, after which it holds the final candles."""
    clock = random.randint(30, 65)
    held = final.filter(START + clock * DAY + random.randrange(24) * HOUR > OPEN)
    lake.candles = held.filter(pl.col("symbol") != random.choice(["TINY", "LATE", "none"]))
    lake.build()
    for _ in range(random.randint(1, 3)):
        event = random.choice(["append", "late", "correct", "gap", "new symbol", "again"])
        known = final.filter(START + clock * DAY > OPEN)
        if event == "append":
            clock = min(clock + random.randint(1, 25), DAYS)
            known = final.filter(START + clock * DAY > OPEN)
        elif event == "late":
            known = known.sample(fraction=0.99, seed=random.randrange(99))
        elif event == "correct":
            wrong = pl.when(pl.int_range(pl.len()) == random.randrange(max(len(known), 1)))
            known = known.with_columns(wrong.then(pl.col("close") * 1.03).otherwise("close").alias("close"))
        elif event == "gap":
            hole = START + random.randint(5, clock) * DAY
            known = known.filter((hole > OPEN) | (hole + timedelta(hours=random.randint(1, 60)) <= OPEN))
        elif event == "new symbol":
            known = known.filter(pl.col("symbol") != "HUGE")
        lake.candles = known.sort("symbol", "open_time")
        lake.build(lake.plan() if event != "again" else None)
    lake.candles = final
    lake.build(lake.plan())


@pytest.fixture(scope="module")
def full() -> MemoryLake:
    lake = MemoryLake(probe_market())
    lake.build()
    return lake


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_every_schedule_of_events_ends_in_the_tables_of_a_single_full_build(count: Callable[..., int]) -> None:
    final = probe_market().filter(OPEN < START + DAYS * DAY, pl.col("symbol") != "FLAT")
    full = MemoryLake(final)
    full.build()
    for seed in range(count(ci=4, proof=200)):
        lake = MemoryLake(final)
        schedule(random.Random(seed), lake, final)
        assert lake.digests() == full.digests(), f"seed {seed}"


@pytest.mark.parametrize("name", ["price_features", "volume_features", "trading_signals"])
def test_a_single_new_bar_has_the_bits_of_the_batch(full: MemoryLake, name: str) -> None:
    """The live path: the newest rows computed with nothing after them."""
    group = catalog.groups[name]
    for hours in (1, 23, 24, 25, 24 * 9 + 5):
        now = START + 100 * DAY + hours * HOUR
        candles = full.candles.filter(now > OPEN)
        inputs = {
            "candles": candles,
            "daily_candles": resample(candles, HOUR, DAY, as_of=now),
            "price_features": full.read("price_features", full.months, None, None).filter(
                pl.col("event_timestamp") <= now
            ),
        }
        live = compute_partition(group, inputs, "2024-04", interval=HOUR)
        batch = full.frames[name, "2024-04"].filter(pl.col("event_timestamp") <= now)
        assert column_digests(live) == column_digests(batch)


def test_the_naive_way_of_starting_where_the_new_rows_start_does_not_give_the_same_tables(full: MemoryLake) -> None:
    """The control: without an anchored window before them, the same new rows get other values."""
    new = full.read("daily_candles", full.months, None, None).filter(OPEN >= START + 91 * DAY)
    naive = evaluate(price_features, {"daily_candles": new}, interval=HOUR).filter(
        pl.col("event_timestamp") <= START + 121 * DAY
    )
    anchored = full.frames["price_features", "2024-04"]
    assert naive.height == anchored.height
    assert column_digests(naive) != column_digests(anchored)
