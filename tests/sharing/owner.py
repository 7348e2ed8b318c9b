"""The project that owns the price features: two of them, and the same with one computed otherwise."""

from dataclasses import replace

import polars as pl

from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.raw import RawTable

candles = RawTable("candles")
daily_candles = Bars("daily_candles", of=candles, every="1d")
CLOSE = pl.col("close")
price_features = FeatureGroup(
    "price_features",
    "Prices.",
    bars=daily_candles,
    features=[
        Feature("return_20d", CLOSE / CLOSE.shift(1) - 1, "Return.", unit="ratio", window=2),
        Feature("rsi_14", CLOSE / pl.col("open") * 50, "Strength.", unit="points"),
    ],
)
catalog = Catalog(price_features)

_return, _strength = price_features.features
upgraded = Catalog(
    replace(price_features, features=[_return, replace(_strength, expression=CLOSE / pl.col("open") * 60)])
)
without = Catalog(
    FeatureGroup(
        "volume_features",
        "Volumes.",
        bars=daily_candles,
        features=[Feature("dollars", CLOSE * pl.col("volume"), "Turnover.", unit="quote currency")],
    )
)
