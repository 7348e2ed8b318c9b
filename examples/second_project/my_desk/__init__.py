"""A second project: a group and a training set of its own, on price features that another project owns."""

import polars as pl

from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet

OWNER = "crypto_features"

candles = RawTable("candles", project=OWNER)
daily_candles = Bars("daily_candles", of=candles, every="1d", project=OWNER)
price_features = Borrowed(
    "price_features",
    project=OWNER,
    bars=daily_candles,
    features=("return_20d", "rsi_14"),
    version=0,  # raise it when the values of a newer version are wanted.
)

momentum = FeatureGroup(
    "momentum",
    "Trend of a coin, and how far it went beyond it today.",
    bars=daily_candles,
    joins=[Join(price_features, "3d")],
    features=[
        Feature(
            "daily_trend",
            pl.col("price_features.return_20d") / 20,
            "Return over 20 days, a day, as it was known when the day began.",
            unit="ratio",
        ),
        Feature(
            "overshoot",
            pl.col("close") / pl.col("open") - 1 - pl.col("daily_trend"),
            "Return of the day less its trend.",
            unit="ratio",
        ),
    ],
)
momentum_features = FeatureService(
    "momentum_features",
    "What the desk's model reads.",
    {"momentum": ("daily_trend", "overshoot"), "price_features": ("rsi_14",)},
)
catalog = Catalog(momentum, TrainingSet(momentum_features, rows=daily_candles), project="my_desk")
