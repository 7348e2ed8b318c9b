"""A project that compares symbols, and the market that it reads: one of its symbols is delisted, one is listed late."""

import math
import random
from datetime import UTC, datetime, timedelta

import polars as pl

import crypto_features as cf
from crypto_features.settings import Settings
from tests.market.market import Offer

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 59
GONE, NEW = START + 40 * DAY, START + 50 * DAY
"""When `GONE` trades no more, and `NEW` begins to."""
LIVES = {"BTC": (0, DAYS), "ETH": (0, DAYS), "GONE": (0, 40), "NEW": (50, DAYS), "SOL": (0, DAYS)}

CLOSE = pl.col("close")
candles = cf.RawTable("candles")
days = cf.Bars("days", of=candles, every="1d")
beside = cf.FeatureGroup(
    "beside",
    "Each symbol beside BTC.",
    bars=days,
    joins=[cf.Join(days, "2d", {"move": cf.price_return(1)}, window=2, symbol="BTC", at="close", name="btc")],
    features=[
        cf.Feature("move", cf.price_return(1), "Return of a day.", "ratio", window=2),
        cf.Feature("beta", cf.beta(cf.price_return(1), pl.col("btc.move"), 10), "Beta to BTC.", "ratio", window=11),
        cf.Feature("to_btc", CLOSE / pl.col("btc.close"), "Close over BTC's.", "ratio"),
    ],
)
there = cf.universe("there", bars=days)
strength = cf.FeatureGroup(
    "strength",
    "Each symbol among those that have traded for some days.",
    bars=days,
    across="symbols",
    joins=[cf.Join(beside, "2d", at="close"), cf.Join(there, "2d", at="close")],
    universe=pl.col("there.listed_days") >= 3,
    features=[
        cf.Feature("rank_move", cf.rank("beside.move"), "Rank of the return.", "0 to 1", bounds=(0, 1)),
        cf.Feature("z_beta", cf.zscore("beside.beta"), "z-score of beta.", "deviations"),
        cf.Feature("rising", cf.breadth(pl.col("beside.move") > 0), "Share that rises.", "share", bounds=(0, 1)),
    ],
)
desk = cf.FeatureService(
    "desk", "What the desk reads.", {"strength": ("rank_move", "z_beta", "rising"), "beside": ("beta", "to_btc")}
)
catalog = cf.Catalog(strength, desk)


def market(_: Settings) -> Offer:
    """Hourly candles of every symbol from its first day to its last."""
    draw, rows = random.Random(7), []
    for symbol, (first, last) in LIVES.items():
        price = 100.0
        for hour in range(first * 24, last * 24):
            opened, price = price, price * math.exp(draw.gauss(0, 0.01))
            rows.append((symbol, START + hour * HOUR, opened, max(opened, price), min(opened, price), price, 1.0, 1.0))
    names = ("symbol", "open_time", "open", "high", "low", "close", "volume", "completeness")
    frame = pl.DataFrame(rows, names, orient="row").with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))
    return Offer(frame)
