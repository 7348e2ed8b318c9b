"""Volatility breakout: buy when the price breaks out of yesterday's range, sell at the end of the day.

A comparison of prices is decided as exact decimals would decide it, whatever the last bits of sums and means.
Source: Larry Williams, Long-Term Secrets to Short-Term Trading, 1999.
"""

from datetime import timedelta

import polars as pl

from crypto_features.compute.indicators import CLOSE, ROUNDING, exceeds
from crypto_features.compute.windows import window_mean
from crypto_features.shipped.market import candles, daily_candles
from crypto_features.shipped.plots import price_with_signals
from crypto_features.shipped.price import price_features
from crypto_features.tables.feature import POSITIVE, Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join

K = 0.5
"""Share of yesterday's range that the price must rise above today's open."""

_DAY = pl.col("open_time").dt.truncate("1d")
_OPEN_OF_DAY = pl.col("open").first().over(_DAY)
_YESTERDAY = pl.col("daily_candles.open_time") == _DAY - timedelta(days=1)
_RANGE = pl.when(_YESTERDAY).then(pl.col("daily_candles.high") - pl.col("daily_candles.low"))
_MA_5, _MA_20, _ATR = (pl.col(f"price_features.{name}") for name in ("ma_5", "ma_20", "atr_14"))
_TARGET = pl.col("target_price")
_LEAST = _TARGET - ROUNDING * pl.max_horizontal(_OPEN_OF_DAY, pl.col("daily_candles.high"))
"""The target, less the rounding of its sum."""
_LAST_OF_DAY = pl.col("event_timestamp") == _DAY + timedelta(days=1)

_SPREAD = pl.col("high") - pl.col("low")
_NOISE = 1 - (pl.col("open") - CLOSE).abs() / _SPREAD


def volatility_breakout(k: float | None = K) -> FeatureGroup:
    """The group of breakout signals.

    Args:
        k: Share of yesterday's range above the open; `None` for the noise variant, the mean of
            1 − |open − close| / (high − low) over the last 20 complete days (null if one of them has no range).
    """
    share = pl.col("daily_candles.noise_20") if k is None else pl.lit(k)
    text = "the 20-day mean noise 1 − |open − close| / (high − low)" if k is None else str(k)
    noise = {"noise_20": window_mean(_NOISE.fill_nan(None), 20)} if k is None else {}
    return FeatureGroup(
        name="trading_signals",
        description="Volatility breakout after Larry Williams, for each base candle; a description, no advice.",
        bars=candles,
        joins=(
            Join(daily_candles, "1d", noise, window=20 if noise else 1),
            Join(price_features, "7d"),
        ),
        plots={"signals": price_with_signals},
        features=(
            Feature(
                "target_price",
                _OPEN_OF_DAY + share * _RANGE,
                f"Open of the UTC day + k · (high − low of the day before), k = {text}; null without that day.",
                "quote currency",
                lookback="1d",
                bounds=POSITIVE,
            ),
            Feature(
                "can_buy",
                (CLOSE >= _LEAST).cast(pl.Int64) * exceeds(_MA_5, _MA_20).cast(pl.Int64),
                "1 if the close is at or above target_price and ma_5 > ma_20 on the last complete day, else 0.",
                "0 or 1",
                dtype=pl.Int64,
                lookback="1d",
                bounds=(0, 1),
            ),
            Feature(
                "should_sell",
                pl.when(_MA_5.is_not_null()).then((exceeds(_MA_5, CLOSE) | _LAST_OF_DAY).cast(pl.Int64)),
                "1 if the close is below the last complete day's ma_5 or the candle is the last of its day, else 0.",
                "0 or 1",
                dtype=pl.Int64,
                bounds=(0, 1),
            ),
            Feature(
                "signal_strength",
                (CLOSE - _TARGET) / _ATR,
                "(Close − target_price) / atr_14 of the last complete day.",
                "average true ranges",
                lookback="1d",
            ),
        ),
    )


trading_signals = volatility_breakout()
