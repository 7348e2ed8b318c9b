"""Candles as a raw table holds them."""

from datetime import timedelta

import polars as pl

from crypto_features.tables.raw_rows import Column, RawRows


def _with_further(candles: pl.DataFrame, _interval: timedelta) -> pl.DataFrame:
    """Candles with amounts that every change of a price or volume changes."""
    middle = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
    return candles.with_columns(
        quote_volume=pl.col("volume") * middle,
        trades=(pl.col("volume") * 64 % 1000).floor().cast(pl.Int64),
        taker_buy_volume=pl.col("volume") * (pl.col("close") * 1000 % 97 / 97),
    )


CANDLES = RawRows(
    "candles",
    "candle",
    (
        Column("open", "quote currency", "First price.", above=0),
        Column("high", "quote currency", "Highest price.", above=0),
        Column("low", "quote currency", "Lowest price.", above=0),
        Column("close", "quote currency", "Last price.", above=0),
        Column("volume", "base asset", "Amount traded.", least=0),
        Column(
            "completeness",
            "share, 0 to 1",
            "Share of the shortest candles seen that it was made from.",
            above=0,
            most=1,
            default=1.0,
        ),
        Column("quote_volume", "quote currency", "Amount traded.", least=0, nullable=True, further=True),
        Column("trades", "trades", "Number of trades.", dtype=pl.Int64, least=0, nullable=True, further=True),
        Column(
            "taker_buy_volume",
            "base asset",
            "Amount bought by orders that met a waiting one.",
            least=0,
            nullable=True,
            further=True,
        ),
    ),
    _with_further,
    rules={
        "high_bounds": pl.col("high") >= pl.max_horizontal("open", "low", "close"),
        "low_bounds": pl.col("low") <= pl.min_horizontal("open", "high", "close"),
    },
)
"""Candles of the base interval; quote volume, trades and taker-buy volume where the source has them."""
