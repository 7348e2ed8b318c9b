"""Where to cut: at first bars, where a window fills, on both sides of gaps, at every hour of a day, and at random."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import polars as pl

from crypto_features.versions.probe_market import HOUR, probe_day

DAY = timedelta(days=1)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""Bars of every length open then."""
RANDOM_CUTS, GAPS = 4, 6
FIRST_BARS = 8
AROUND_WINDOW = 3
"""How many bars before and after the largest window fills are cut one by one."""


def cuts(
    candles: pl.DataFrame, *, bar: timedelta, window: int, interval: timedelta, seed: int
) -> dict[str, list[datetime]]:
    """The times at which each symbol's market is cut; the first symbol's also at its first bars and hours.

    Args:
        candles: The market under test, sorted by symbol and time.
        bar: Length of a bar of the group.
        window: The largest window that a feature of the group declares, in bars.
        interval: Length of a candle.
        seed: Of the random cuts.
    """
    found = {}
    for rank, part in enumerate(candles.partition_by("symbol", maintain_order=True)):
        times: list[datetime] = part["open_time"].to_list()
        gaps = [*islice(_gaps(times, interval), 2 * GAPS)]
        chosen = {*gaps, *(first_opening(gap, bar) + bar for gap in gaps), *_random(times, seed + rank)}
        if rank == 0:
            first = times[0].replace(hour=0, minute=0, second=0, microsecond=0)
            around = range(max(window - AROUND_WINDOW, 1), window + AROUND_WINDOW + 1)
            chosen.update(first + n * bar for n in (*range(1, FIRST_BARS + 1), *around))
            day, hour = probe_day(interval), max(interval, HOUR)
            phases = first + max(window * bar // day, 25) * day
            # Over a week, each hour of a day and each day; of candles within an hour, another one in each.
            apart = max(bar // DAY, 1) * hour + (hour - interval and interval)
            chosen.update(phases + n * apart for n in range(DAY // hour))
        found[part["symbol"][0]] = sorted(cut for cut in chosen if times[0] < cut <= times[-1])
    return found


def _gaps(times: list[datetime], interval: timedelta) -> Iterator[datetime]:
    for before, after in pairwise(times):
        if after - before > interval:
            yield before + interval
            yield after


def first_opening(time: datetime, length: timedelta) -> datetime:
    """When the first bar opens at that time or later."""
    return MONDAY - (MONDAY - time) // length * length


def _random(times: list[datetime], seed: int) -> list[datetime]:
    return random.Random(seed).sample(times, min(RANDOM_CUTS, len(times)))  # noqa: S311 - a seeded choice of cuts.
