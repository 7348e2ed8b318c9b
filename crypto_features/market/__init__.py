"""Candles in: sources, the contract they are held to, and the lake of monthly Parquet files."""

from crypto_features.market.lake import Table
from crypto_features.market.source import CANDLE_SCHEMA, Source
from crypto_features.market.sources import source

__all__ = ["CANDLE_SCHEMA", "Source", "Table", "source"]
