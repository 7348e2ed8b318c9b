"""A small catalog with sets: a group of each symbol's own, a cross-section, and labels of three days."""

import polars as pl

from crypto_features.compute.cross import rank
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.events import Cusum
from crypto_features.tables.feature import Feature
from crypto_features.tables.folds import KFold
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import forward_return
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from crypto_features.tables.triple_barrier import triple_barrier
from crypto_features.tables.weights import Weights

CLOSE = pl.col("close")

candles = RawTable("candles", "Hourly candles.")
days = Bars("days", of=candles, every="1d", description="Days.")
moves = FeatureGroup(
    "moves",
    "How a price moved.",
    bars=days,
    ttl="2d",
    features=(
        Feature(
            "return_3", CLOSE / CLOSE.shift(3) - 1, "Close over the close three days earlier, − 1.", "ratio", window=4
        ),
        Feature("range_1", (pl.col("high") - pl.col("low")) / CLOSE, "High − low, of the close.", "ratio"),
    ),
)
among = FeatureGroup(
    "among",
    "Each symbol among all of its day.",
    bars=days,
    across="symbols",
    ttl="2d",
    joins=(Join(moves, "2d", at="close"),),
    features=(Feature("rank_3", rank("moves.return_3"), "Rank of return_3.", "0 to 1", bounds=(0, 1)),),
)
ahead = forward_return("ahead_3d", bars=days, horizon="3d")
barrier = triple_barrier("barrier_5d", bars=days, horizon="5d", profit=0.5, stop=0.5, window=5)
whole = TrainingSet(
    "whole",
    features=[moves, among],
    label=ahead,
    weights=Weights(uniqueness=True, half_life="30d"),
    folds=KFold(folds=3, embargo="1d"),
    description="Everything at once.",
)
barriers = TrainingSet("barriers", features=["moves:range_1"], label=barrier)
events = TrainingSet("events", Cusum(days, threshold=0.03), features=["moves:return_3"], label=ahead)
bare = TrainingSet("bare", days, features=[moves])
catalog = Catalog(candles, whole, barriers, events, bare)
