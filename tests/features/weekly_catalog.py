"""A catalog with bars of four hours and of weeks: groups over weeks, a join with them, a training set by weeks."""

import polars as pl

from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from tests.features.other_catalog import blocks, scores, trades

CLOSE, HIGH, LOW = pl.col("close"), pl.col("high"), pl.col("low")

weeks = Bars("weeks", of=trades, every="1w", description="Candles of weeks.")
swings = FeatureGroup(
    "swings",
    "How a price moved over weeks.",
    bars=weeks,
    joins=(Join(blocks, "2d"),),
    ttl="2w",
    features=(
        Feature("swing", (HIGH - LOW) / CLOSE, "Range of the week, of the close.", "ratio"),
        Feature("change", CLOSE / CLOSE.shift(1) - 1, "Close over that of the week before, − 1.", "ratio", window=2),
        Feature("against_blocks", CLOSE / pl.col("blocks.close") - 1, "Over the last close before it, − 1.", "ratio"),
    ),
)
entries = FeatureGroup(
    "entries_of_weeks",
    "Where each candle stands against the week before it.",
    bars=trades,
    joins=(Join(weeks, "8d"), Join(swings, "8d")),
    features=(
        Feature("above", CLOSE / pl.col("weeks.high") - 1, "Close over the high of the last week, − 1.", "ratio"),
        Feature("swung", pl.col("swings.swing") * CLOSE, "swing · close.", "quote currency"),
    ),
)
weekly_desk = FeatureService(
    "weekly_desk", "What is read by weeks.", {"swings": ("swing", "change"), "scores": ("score",)}
)
training = TrainingSet(weekly_desk, rows=weeks)
catalog = Catalog(entries, scores, training)
