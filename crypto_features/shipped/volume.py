"""Volume and money flow of the day."""

import polars as pl

from crypto_features.compute.indicators import VOLUME, chaikin_money_flow, money_flow_index, typical_price
from crypto_features.compute.windows import window_mean
from crypto_features.shipped.market import daily_candles
from crypto_features.tables.feature import NOT_NEGATIVE, Feature
from crypto_features.tables.group import FeatureGroup

volume_features = FeatureGroup(
    name="volume_features",
    description="Volume, its trend and money flow of daily candles.",
    bars=daily_candles,
    ttl="1d",
    features=(
        Feature(
            "volume_ma_20",
            window_mean(VOLUME, 20),
            "Mean volume of the last 20 bars.",
            "base asset",
            window=20,
            bounds=NOT_NEGATIVE,
        ),
        Feature(
            "volume_ratio",
            VOLUME / pl.col("volume_ma_20"),
            "Volume / volume_ma_20; null if nothing was traded in 20 bars.",
            "ratio",
            window=20,
            bounds=(0, 20),
        ),
        Feature(
            "volume_trend",
            window_mean(VOLUME, 5) / pl.col("volume_ma_20") - 1,
            "Mean volume of the last 5 bars over that of the last 20, − 1; null if nothing was traded in 20 bars.",
            "ratio",
            window=20,
            bounds=(-1, 3),
        ),
        Feature(
            "dollar_volume",
            VOLUME * typical_price(),
            "Volume × (high + low + close) / 3.",
            "quote currency",
            bounds=NOT_NEGATIVE,
        ),
        Feature(
            "cmf_20",
            chaikin_money_flow(20),
            "Chaikin money flow of 20 bars; a bar without range counts 0; null if nothing was traded.",
            "−1 to 1",
            window=20,
            bounds=(-1, 1),
        ),
        Feature(
            "mfi_14",
            money_flow_index(14),
            "Money flow index of 14 bars; null if the typical price never moved on volume.",
            "0 to 100",
            window=15,
            bounds=(0, 100),
        ),
    ),
)
