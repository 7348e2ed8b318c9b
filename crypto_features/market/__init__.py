"""Candles in: sources, the contract they are held to, and the lake of monthly Parquet files."""

from crypto_features.market.contract import validate
from crypto_features.market.history import coverage, current, flags, gaps
from crypto_features.market.ingest import ingest
from crypto_features.market.lake import Table
from crypto_features.market.report import IngestReport, Progress, RejectedShareError
from crypto_features.market.silence import declared_ends, last_candles, silent_symbols, unexpected
from crypto_features.market.source import CANDLE_SCHEMA, PartlyFetchedError, Source
from crypto_features.market.sources import source
from crypto_features.market.standing import FORGOTTEN, Silent, Standing
from crypto_features.market.windows import gaps_in

__all__ = [
    "CANDLE_SCHEMA",
    "FORGOTTEN",
    "IngestReport",
    "PartlyFetchedError",
    "Progress",
    "RejectedShareError",
    "Silent",
    "Source",
    "Standing",
    "Table",
    "coverage",
    "current",
    "declared_ends",
    "flags",
    "gaps",
    "gaps_in",
    "ingest",
    "last_candles",
    "silent_symbols",
    "source",
    "unexpected",
    "validate",
]
