"""A small catalog of minutes: a window, bars of five minutes, and a rank among all symbols."""

import polars as pl

import crypto_features as cf
from crypto_features.tables.raw import RawTable

ticks = RawTable("ticks", "Minutes.")
fives = cf.Bars("fives", of=ticks, every="5m")
moves = cf.FeatureGroup(
    "moves",
    "How far prices moved.",
    bars=ticks,
    features=[
        cf.Feature("return_3", cf.price_return(3), "Close over the close 3 minutes before, − 1.", "ratio", window=4),
        cf.Feature("ema", cf.ema(pl.col("close"), 5), "Exponential mean.", "price", window=256, warm_up=5),
    ],
)
blocks = cf.FeatureGroup(
    "blocks",
    "Of five minutes.",
    bars=fives,
    joins=[cf.Join(fives, "10m", symbol="A", at="close", name="leader")],
    features=[cf.Feature("spread", pl.col("close") - pl.col("leader.close"), "Over the leader.", "price")],
)
ranks = cf.FeatureGroup(
    "ranks",
    "Among all.",
    bars=ticks,
    across="symbols",
    joins=[cf.Join(moves, "2m", at="close")],
    features=[cf.Feature("rank", cf.rank("moves.return_3"), "Rank of the return.", "0 to 1")],
)
catalog = cf.Catalog(moves, blocks, ranks)
