"""The real market as frames, read once."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.shipped import price_features
from crypto_features.tables.partition import every_row

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="session")
def real_candles(real_market: Path) -> pl.DataFrame:
    files = sorted((real_market / "candles_1h").glob("*.parquet"))
    frames = [pl.read_parquet(file).with_columns(symbol=pl.lit(file.stem)) for file in files]
    return pl.concat(frames).select(
        "symbol", pl.col("open_time").cast(pl.Datetime("us", "UTC")), "open", "high", "low", "close", "volume"
    )


@pytest.fixture(scope="session")
def real_daily(real_candles: pl.DataFrame) -> pl.DataFrame:
    return resample(real_candles, HOUR, DAY)


@pytest.fixture(scope="session")
def real_prices(real_daily: pl.DataFrame) -> pl.DataFrame:
    return every_row(price_features, {"daily_candles": real_daily}, interval=HOUR)
