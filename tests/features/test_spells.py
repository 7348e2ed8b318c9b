"""Many short spells are computed in one frame, with the bits that each has by itself."""

import random
from typing import Any

import polars as pl
import pytest

import crypto_features as cf
from crypto_features.leak.subject import Subject
from crypto_features.shipped import price_features, trading_signals, volume_features
from crypto_features.tables import partition
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.versions.probe_market import probe_market
from tests.features.honest import DAILY, HOURLY
from tests.features.markets import HOUR

_DAY = pl.col("open_time").dt.truncate("1d")
OWN = cf.FeatureGroup(
    "own",
    "Nested windows, sums of windows, and constants.",
    bars=RawTable("hours", "Hours."),
    features=[
        cf.Feature("opened", pl.col("open").first().over(_DAY) / 3, "A third of the day's open.", "price", window=24),
        cf.Feature("mean", pl.col("close").mean().over(_DAY) / 7, "A seventh of the day's mean.", "price", window=24),
        cf.Feature("ema", cf.ema(pl.col("close"), 5), "Exponential mean.", "price", window=256, warm_up=5),
        cf.Feature("total", pl.col("volume").rolling_sum(3) * 0.1, "A tenth of three hours.", "units", window=3),
        cf.Feature("one", pl.lit(1.0), "One.", "1"),
        cf.Feature("part", pl.col("total") * 2 / 3, "Two thirds of it.", "units", window=3),
    ],
)


def pieces(seed: int) -> pl.DataFrame:
    """Forty coins, each a piece of the probe market, some with a single candle."""
    draw, market, found = random.Random(seed), probe_market(100), []
    for number in range(40):
        coin = market.filter(symbol=draw.choice(["HUGE", "TINY", "FLAT"]))
        start = draw.randrange(coin.height - 900)
        count = draw.choice([1, 2, 3, 24, 50, 900]) if seed else draw.choice([48, 50, 900])
        found.append(coin[start : start + count].with_columns(symbol=pl.lit(f"C{number:02}")))
    return pl.concat(found).with_columns(as_of=pl.col("open_time").max().over("symbol") + HOUR)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "group", [OWN, HOURLY, DAILY, price_features, volume_features, trading_signals], ids=lambda group: group.name
)
def test_many_spells_have_the_bits_of_each_alone(group: FeatureGroup, seed: int) -> None:
    market, subject = pieces(seed), Subject(group, HOUR)
    alone = pl.concat(subject.rows(coin) for coin in market.partition_by("symbol", maintain_order=True))
    assert alone.height > 100
    assert subject.rows(market).equals(alone)


def test_they_are_computed_in_one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()
    inputs, through = {"hours": pieces(0).drop("as_of")}, pl.DataFrame.with_columns

    def counted(*arguments: Any, **named: Any) -> pl.DataFrame:
        calls.append(1)
        return through(*arguments, **named)

    monkeypatch.setattr(pl.DataFrame, "with_columns", counted)
    rows = partition.evaluate(OWN, inputs, interval=HOUR)
    assert rows.height == inputs["hours"].height
    assert len(calls) < 20
