"""Look-ahead of some symbols only: markets under their own names, each altered at a time of its own."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features.leak.variants import Variant, interrupted, perturbed, truncated
from crypto_features.versions.probe_market import COLUMNS, HOUR, probe_market

NAMES = ("1INCH", "ADA", "BNB", "BTC", "BTCUSDT", "DOGE", "ETH", "FTT", "LTC", "LUNA", "MATIC", "SOL", "USDC", "XRP")
"""Symbols that the probe market is read under where no other candles are at hand."""

FEWEST = 3
"""Candles that a market needs to be altered."""


def named_market(names: Sequence[str] = NAMES, candle: timedelta = HOUR) -> pl.DataFrame:
    """The probe market, and its first symbol under each of the names."""
    probes = probe_market(candle=candle)
    one = probes.filter(pl.col("symbol") == "HUGE").drop("symbol")
    others = pl.DataFrame({"symbol": names}, {"symbol": pl.String}).join(probes, on="symbol", how="anti")
    return pl.concat([probes, others.join(one, how="cross").select(COLUMNS)])


def altered_markets(candles: pl.DataFrame, interval: timedelta, seed: int) -> Iterator[list[Variant]]:
    """All markets at once, under their own names: perturbed, interrupted and cut, each in its last third."""
    markets = candles.sort("symbol", "open_time").partition_by("symbol", maintain_order=True)
    for number, alter in enumerate((perturbed, interrupted, truncated)):
        altered: list[Variant] = []
        for rank, market in enumerate(markets):
            if len(market) < FEWEST:
                continue
            times: list[datetime] = market["open_time"].to_list()
            cut = random.Random(f"{seed} {number} {rank}").choice(times[len(times) * 2 // 3 :])  # noqa: S311 - seeded.
            altered += alter(market, market["symbol"][0], [cut], interval)
        if altered:
            yield altered
