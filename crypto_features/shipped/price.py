"""Trend, volatility and oscillators of the daily price."""

import math

import polars as pl

from crypto_features.compute.indicators import (
    CLOSE,
    atr,
    bollinger_width,
    exceeds,
    macd_diff,
    price_return,
    rsi,
    stochastic,
    volatility,
)
from crypto_features.compute.windows import window_mean
from crypto_features.shipped.market import daily_candles
from crypto_features.tables.feature import NOT_NEGATIVE, POSITIVE, Feature
from crypto_features.tables.group import FeatureGroup

MA_5, MA_20, MA_60 = pl.col("ma_5"), pl.col("ma_20"), pl.col("ma_60")


def _return(bars: int) -> Feature:
    before = "one bar" if bars == 1 else f"{bars} bars"
    description = f"Close over the close {before} earlier, − 1."
    return Feature(f"return_{bars}d", price_return(bars), description, "ratio", window=bars + 1, bounds=(-1, math.inf))


def _volatility(bars: int) -> Feature:
    description = f"Sample standard deviation (ddof 1) of the last {bars} one-day returns, not annualized."
    return Feature(
        f"volatility_{bars}d", volatility(bars), description, "ratio per day", window=bars + 1, bounds=NOT_NEGATIVE
    )


def _moving_average(bars: int) -> Feature:
    mean, description = window_mean(CLOSE, bars), f"Mean close of the last {bars} bars."
    return Feature(f"ma_{bars}", mean, description, "quote currency", window=bars, bounds=POSITIVE)


price_features = FeatureGroup(
    name="price_features",
    description="Returns, moving averages, volatility and oscillators of daily candles.",
    bars=daily_candles,
    ttl="1d",
    features=(
        _return(1),
        _return(5),
        _return(20),
        _moving_average(5),
        _moving_average(20),
        _moving_average(60),
        Feature("ma_5_20_ratio", MA_5 / MA_20, "ma_5 / ma_20.", "ratio", window=20, bounds=(0, 4)),
        Feature("ma_20_60_ratio", MA_20 / MA_60, "ma_20 / ma_60.", "ratio", window=60, bounds=(0, 3)),
        Feature("price_ma_20_ratio", CLOSE / MA_20, "Close / ma_20.", "ratio", window=20, bounds=(0, 20)),
        _volatility(20),
        _volatility(60),
        Feature(
            "rsi_14",
            rsi(14),
            "Relative strength index with Wilder smoothing over 14 bars; null if the price never moved.",
            "0 to 100",
            window=513,
            warm_up=15,
            bounds=(0, 100),
        ),
        Feature(
            "bb_width",
            bollinger_width(20, 2),
            "Width of the Bollinger bands (20, 2) / ma_20.",
            "ratio",
            window=20,
            bounds=NOT_NEGATIVE,
        ),
        Feature(
            "bb_position",
            (CLOSE / MA_20 - 1) / pl.col("bb_width") + 0.5,
            "Where the close lies between the lower (0) and the upper (1) Bollinger band (20, 2); null without width.",
            "ratio",
            window=20,
            bounds=(-0.6, 1.6),  # no value of twenty is further from their mean than √19 deviations.
        ),
        Feature(
            "atr_14",
            atr(14),
            "Average true range with Wilder smoothing over 14 bars.",
            "quote currency",
            window=513,
            warm_up=15,
            bounds=NOT_NEGATIVE,
        ),
        Feature(
            "atr_ratio",
            pl.col("atr_14") / CLOSE,
            "atr_14 / close.",
            "ratio",
            window=513,
            warm_up=15,
            bounds=NOT_NEGATIVE,
        ),
        Feature(
            "ma_alignment",
            (exceeds(MA_5, MA_20).cast(pl.Float64) + exceeds(MA_20, MA_60).cast(pl.Float64)) / 2,
            "([ma_5 > ma_20] + [ma_20 > ma_60]) / 2.",
            "0, 0.5 or 1",
            window=60,
            bounds=(0, 1),
        ),
        Feature(
            "macd_diff",
            macd_diff(fast=12, slow=26, signal=9),
            "MACD (12, 26) minus its signal (9).",
            "quote currency",
            window=767,
            warm_up=34,
        ),
        Feature(
            "stoch_k_14",
            stochastic(14),
            "Where the close lies between the 14-bar lowest low (0) and the highest high (100); null without range.",
            "0 to 100",
            window=14,
            bounds=(0, 100),
        ),
    ),
)
