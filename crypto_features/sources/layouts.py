"""The layouts of Binance's bulk files: where those of a market lie, and how one is read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import polars as pl

from crypto_features.durations import timeframe
from crypto_features.errors import SettingsError
from crypto_features.sources.derivative_zip import fundings, metrics
from crypto_features.sources.kline_zip import klines
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
from crypto_features.tables.raw_rows import RawRows

_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")


@dataclass(frozen=True)
class Layout:
    """Where the files of one kind of rows lie.

    Args:
        kind: What the rows are.
        length: How long after its `open_time` a row is known.
        expected: How many rows a day has, if none is missing.
        has_months: Whether there are monthly files.
        has_days: Whether there are daily files.
        path: The path of a file, a format of `span` (`monthly` or `daily`), `market` and `date`.
        read: Reads the zip of a month or day; its arguments are those of `klines`.
    """

    kind: RawRows
    length: timedelta
    expected: int
    has_months: bool
    has_days: bool
    path: str
    read: Callable[..., pl.DataFrame]


def kline_layout(interval: timedelta) -> Layout:
    """The candles of spot markets.

    Raises:
        SettingsError: if there are no files of this interval.
    """
    name = timeframe(interval)
    if name not in _INTERVALS:
        raise SettingsError(
            f"the archive has no candles of CRYPTO_FEATURES_INTERVAL={name}; it has {', '.join(_INTERVALS)}."
        )
    path = f"data/spot/{{span}}/klines/{{market}}/{name}/{{market}}-{name}-{{date}}.zip"
    read, a_day = partial(klines, interval=interval), timedelta(days=1) // interval
    return Layout(CANDLES, interval, a_day, has_months=True, has_days=True, path=path, read=read)


def funding_layout() -> Layout:
    """The settlements of funding of perpetual futures in USD: a file each month, once it is over."""
    path = "data/futures/um/{span}/fundingRate/{market}/{market}-fundingRate-{date}.zip"
    return Layout(FUNDING, timedelta(0), 0, has_months=True, has_days=False, path=path, read=fundings)


def metrics_layout() -> Layout:
    """Open interest, long-short ratios and taker volume of futures in USD: a file each day, once it is over."""
    path = "data/futures/um/{span}/metrics/{market}/{market}-metrics-{date}.zip"
    return Layout(DERIVATIVES, timedelta(minutes=5), 288, has_months=False, has_days=True, path=path, read=metrics)
