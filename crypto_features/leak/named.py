"""Look-ahead of some symbols only: markets under their own names, each altered at a time of its own."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from crypto_features.leak.elsewhere import Elsewhere
from crypto_features.leak.report import Leak, differences
from crypto_features.leak.subject import Subject
from crypto_features.leak.variants import Variant, interrupted, named, perturbed, truncated
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.others import compares_symbols
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


class NamedTest:
    """Markets under their own names, altered, in another process and under another clock.

    Args:
        group: The group under test.
        candles: `symbol, open_time, open, high, low, close, volume` of markets under their own names.
        interval: Length of a candle.
        seed: Of the random cuts.
    """

    def __init__(self, group: FeatureGroup, candles: pl.DataFrame, interval: timedelta, seed: int) -> None:
        end: datetime = candles["open_time"].max() + interval  # type: ignore[operator, assignment] # a time
        self.subject = Subject(group, interval).before_any_fit(candles)
        self.raw = self.subject.raw(candles.with_columns(as_of=pl.lit(end)))
        self.rounds = list(altered_markets(candles, interval, seed))
        other = self.subject.raw(named(self.rounds[0])) if self.rounds else self.raw
        self.elsewhere: Elsewhere | None = None
        self.unsent = ""
        try:
            self.elsewhere = Elsewhere(self.subject, self.subject.inputs(self.raw), self.subject.inputs(other))
        except ChildProcessError as error:
            self.unsent = str(error)

    def close(self) -> None:
        """End the other processes."""
        if self.elsewhere is not None:
            self.elsewhere.close()

    def probed(self) -> tuple[list[Leak], tuple[str, ...]]:
        """The leaks that were found, and which probes could not be made."""
        whole = self.subject.at_once(self.raw)
        leaks = []
        for variants in self.rounds:
            cut = {variant.symbol: variant.cut for variant in variants}
            if compares_symbols(self.subject.group):  # what is altered of one symbol reaches all.
                cut = dict.fromkeys(cut, min(cut.values()))
            known = pl.col("symbol").replace_strict(cut, default=None, return_dtype=whole.schema["event_timestamp"])
            before = pl.col("event_timestamp") <= known
            rows = self.subject.at_once(self.subject.raw(named(variants)))
            found = differences(self.subject.group, whole.filter(before), rows.filter(before), variants[0].probe)
            leaks += [replace(leak, cut=cut[leak.symbol]) for leak in found]
        unsent = self.unsent
        try:
            leaks += [] if self.elsewhere is None else self.elsewhere.leaks(whole)
        except ChildProcessError as error:
            unsent = str(error)
        needs = f"process and clock need a fresh process that computes the group: {unsent}"
        return leaks, (needs,) if unsent else ()
