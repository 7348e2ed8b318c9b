"""The candles that everything else is computed from, and the days resampled from them."""

from crypto_features.tables.bars import Bars
from crypto_features.tables.raw import RawTable

candles = RawTable("candles", "Raw candles, as they were first seen, with every correction as a further row.")
daily_candles = Bars(
    "daily_candles",
    of=candles,
    every="1d",
    description="Daily candles of the UTC days that are over, each symbol by itself, from the base candles that exist; "
    "`completeness` says how many of a day's candles there were. Nothing is interpolated or filled.",
)
