"""The sample source: a synthetic market that needs no network and never changes its past."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features import clock
from crypto_features.compute.resample import resample
from crypto_features.durations import timeframe
from crypto_features.errors import SettingsError, UnknownNameError
from crypto_features.lake.contract import in_schema
from crypto_features.sources.source import Source
from crypto_features.sources.synthetic import ASSETS, EPOCH, HOUR, SEED, Asset, candles


class SampleSource(Source):
    """Synthetic candles of eight symbols from 2024-01-01 up to the last complete candle of the clock.

    It has what a real market has: regimes, volatility clusters, correlated symbols, gaps, a late listing, a wick and
    hours without a trade. Nothing in it is a price that was ever paid.

    Args:
        interval: Length of a candle: one hour, or a multiple of it that divides a day.
        now: The clock.

    Raises:
        SettingsError: if the interval is shorter than an hour or no multiple of it.
    """

    venue = "sample"
    name = f"sample (synthetic market, seed {SEED}; no real prices)"
    synthetic = True

    def __init__(self, interval: timedelta = HOUR, now: Callable[[], datetime] = clock.now) -> None:
        if interval % HOUR:
            raise SettingsError(
                f"the sample market has candles of 1h, from which candles of {timeframe(interval)} cannot be made; "
                "set CRYPTO_FEATURES_INTERVAL to 1h, 2h, 3h, 4h, 6h, 8h, 12h or 1d."
            )
        self._interval, self._now = interval, now

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(ASSETS))

    def start(self, symbols: Sequence[str]) -> datetime:
        first = min(self._asset(symbol).listed for symbol in symbols or self.symbols())
        return first - (first - EPOCH) % self._interval

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        return f"{SEED}/{self._asset(symbol)}"

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        self._asset(symbol)
        now = self._now()
        years = max(min(now, end).year - EPOCH.year + 1, 1)
        fine = candles(symbol, years).filter(
            pl.col("open_time").is_between(start, end, closed="left"),
            pl.col("open_time") + HOUR <= now,
        )
        if self._interval == HOUR:
            return in_schema(fine)
        return resample(fine, HOUR, self._interval, as_of=now)

    def _asset(self, symbol: str) -> Asset:
        if symbol not in ASSETS:
            raise UnknownNameError(
                "symbol", symbol, ASSETS, "The sample market has these; see CRYPTO_FEATURES_SYMBOLS."
            )
        return ASSETS[symbol]
