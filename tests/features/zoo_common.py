"""Planted leaks: features that look right in a notebook and know what they cannot know.

Each is one mistake from practice. The leak test must catch every one; `python -m benchmarks.features_leaks` prints by
which probe.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import ta

from crypto_features.compute.indicators import CLOSE, HIGH, LOW, OPEN, VOLUME, price_return
from crypto_features.compute.windows import window_mean
from crypto_features.shipped import candles, daily_candles, regime_features, regime_model
from crypto_features.shipped.signals import K
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.table import Join
from tests.features.zoo_markets import markets
from tests.features.zoo_rare import DAILY, HOURLY
from tests.features.zoo_state import CLOCK, FITS, STATE, machine_clock, process_state

_DAY = timedelta(days=1)
_DATE = pl.col("open_time").dt.truncate("1d")
_UP = price_return(1) > 0
_SURGE = 0.05
_TA_NEEDS = 14
_FEW = 3
_Function = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]


def zoo() -> tuple[FeatureGroup, ...]:
    """Groups whose every feature is a planted leak; the feature, or a group of one, is named after the mistake."""
    hourly = {name: (leak, 1) for name, leak in _HOURLY.items()}
    rare_hourly = {name: (leak, 2) for name, leak in HOURLY.items()}
    return (
        _group("daily leaks", "daily_candles", _features(_DAILY)),
        _group("hourly leaks", "candles", _features(hourly)),
        _group("rare daily leaks", "daily_candles", _features(DAILY)),
        _group("rare hourly leaks", "candles", _features(rare_hourly)),
        _group("process state", "daily_candles", tuple(_leak(name) for name in STATE), process_state),
        _group("machine clock", "daily_candles", tuple(_leak(name) for name in CLOCK), machine_clock),
        *markets(),
        *(_group(name, table, (_leak("leak", name, table),), f) for name, (table, f) in _TABLES.items()),
    )


def _features(leaks: Mapping[str, tuple[pl.Expr, int]]) -> tuple[Feature, ...]:
    return tuple(Feature(name, leak, name, "planted", window=window) for name, (leak, window) in leaks.items())


def _leak(name: str, mistake: str | None = None, table: str = "daily_candles") -> Feature:
    return Feature(name, None, mistake or name, "planted", sources=((table, "close"),))


def _group(name: str, table: str, features: tuple[Feature, ...], function: _Function | None = None) -> FeatureGroup:
    bars = {one.name: one for one in (candles, daily_candles)}[table]
    lookback = "0d" if function is None else "500d"
    return FeatureGroup(name, name, bars=bars, features=features, lookback=lookback, ttl="1d", function=function)


def fitted_zoo() -> Mapping[str, FeatureGroup]:
    """Groups that join a planted fit, by the mistake."""
    return {
        name: replace(regime_features, joins=(Join(replace(regime_model, fit=fit), "500d"),))
        for name, fit in FITS.items()
    }


def _whole(function: Callable[[pl.Series], npt.NDArray[np.float64]]) -> pl.Expr:
    """A function of the whole close series, as a notebook would apply it."""
    return CLOSE.map_batches(lambda s: pl.Series(s.name, function(s), dtype=pl.Float64), return_dtype=pl.Float64)


def _ta(indicator: Callable[..., object], method: str, **options: object) -> pl.Expr:
    def apply(prices: pl.Series) -> pl.Series:
        if len(prices) < _TA_NEEDS:
            return pl.Series([None] * len(prices), dtype=pl.Float64)
        series = {name: prices.struct.field(name).to_pandas() for name in ("high", "low", "close")}
        wanted = {name: series[name] for name in series if name in indicator.__init__.__code__.co_varnames}
        return pl.Series(getattr(indicator(**wanted, **options), method)().to_numpy(), dtype=pl.Float64)

    return pl.struct("high", "low", "close").map_batches(apply, return_dtype=pl.Float64)


def _low_pass(series: pl.Series) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft(series.to_numpy())
    spectrum[len(spectrum) // 8 :] = 0
    smooth: npt.NDArray[np.float64] = np.fft.irfft(spectrum, len(series))
    return smooth


def _detrended(series: pl.Series) -> npt.NDArray[np.float64]:
    close, x = series.to_numpy(), np.arange(len(series)) - (len(series) - 1) / 2
    slope = (x * close).sum() / max((x * x).sum(), 1)
    rest: npt.NDArray[np.float64] = close - close.mean() - slope * x
    return rest


_DAILY: dict[str, tuple[pl.Expr, int]] = {
    "tomorrow's close": (CLOSE.shift(-1), 1),
    "tomorrow's return": (CLOSE.shift(-1) / CLOSE - 1, 1),
    "label five days ahead as a feature": ((CLOSE.shift(-5) > CLOSE).cast(pl.Float64), 1),
    "back-fill": (pl.when(_UP).then(CLOSE).backward_fill(), 1),
    "centred window": (CLOSE.rolling_mean(5, center=True), 3),
    "whole-sample z-score": ((CLOSE - CLOSE.mean()) / CLOSE.std(), 1),
    "whole-sample winsorizing": (CLOSE.clip(CLOSE.quantile(0.05), CLOSE.quantile(0.95)), 1),
    "whole-sample rank": (CLOSE.rank() / pl.len(), 1),
    "whole-sample min-max": ((CLOSE - CLOSE.min()) / (CLOSE.max() - CLOSE.min()), 1),
    "above the whole sample's median": ((CLOSE.median() < CLOSE).cast(pl.Float64), 1),
    "nulls filled with the whole sample's mean": (price_return(1).fill_null(price_return(1).mean()), 1),
    "share of all volume": (VOLUME / VOLUME.sum(), 1),
    "distance to the sample's high": (CLOSE / HIGH.max() - 1, 1),
    "linear trend of the whole sample removed": (_whole(_detrended), 1),
    "low-pass filter over the whole sample": (_whole(_low_pass), 1),
    "zero-phase smoothing": (CLOSE.ewm_mean(span=5).reverse().ewm_mean(span=5).reverse(), 1),
    "exponential mean from the end": (CLOSE.reverse().ewm_mean(span=10).reverse(), 1),
    "zig-zag pivot stamped on its bar": (
        pl.when(HIGH.rolling_max(5, center=True) == HIGH).then(HIGH).forward_fill(),
        1,
    ),
    "days until the next surge": (
        pl.when(price_return(1) > _SURGE).then(pl.col("open_time").dt.epoch("d")).backward_fill()
        - pl.col("open_time").dt.epoch("d"),
        1,
    ),
    "peek at the next rare event": (pl.when(price_return(1) < -_SURGE).then(1.0).shift(-1).fill_null(0.0), 1),
    "days until the next candle": (
        (pl.col("open_time").shift(-1) - pl.col("open_time")).dt.total_days().cast(pl.Float64),
        1,
    ),
    "length of the frame": (CLOSE * pl.len(), 1),
    "marked last bar": ((pl.int_range(pl.len()) == pl.len() - 1).cast(pl.Float64), 1),
    "zero-filled warm-up": (window_mean(CLOSE, 20).fill_null(0.0), 20),
    "shortened window": (CLOSE.rolling_mean(20, min_samples=1), 20),
    "warm-up filled with the first value": (window_mean(CLOSE, 20).fill_null(strategy="backward"), 20),
    "since-listing volume (OBV)": ((CLOSE.diff().sign().fill_null(0) * VOLUME).cum_sum(), 1),
    "since-listing VWAP": ((CLOSE * VOLUME).cum_sum() / VOLUME.cum_sum(), 1),
    "since-listing high": (HIGH.cum_max(), 1),
    "days since listing": (pl.int_range(pl.len()).cast(pl.Float64), 1),
    "week's close merged on the week's start": (CLOSE.last().over(pl.col("open_time").dt.truncate("1w")), 1),
    "ta's KST": (_ta(ta.trend.KSTIndicator, "kst"), 1),
    "ta's visual Ichimoku": (_ta(ta.trend.IchimokuIndicator, "ichimoku_a", visual=True), 1),
    "ta's DPO with fillna": (_ta(ta.trend.DPOIndicator, "dpo", fillna=True), 1),
    "ta's zero-filled ATR": (_ta(ta.volatility.AverageTrueRange, "average_true_range"), 14),
}
"""Expressions over daily candles, each with the window that its author would declare."""

_HOURLY: dict[str, pl.Expr] = {
    "daily close merged on the open label": CLOSE.last().over(_DATE),
    "full-day VWAP": (CLOSE * VOLUME).sum().over(_DATE) / VOLUME.sum().over(_DATE),
    "breakout target from the same day's range": OPEN.first().over(_DATE)
    + K * (HIGH.max().over(_DATE) - LOW.min().over(_DATE)),
    "breakout filter with today's close": (CLOSE.last().over(_DATE) > OPEN.first().over(_DATE)).cast(pl.Float64),
    "breakout entry known from the day's high": (HIGH.max().over(_DATE) > 1.02 * OPEN.first().over(_DATE)).cast(
        pl.Float64
    ),
    "breakout sold on the last candle that exists": (pl.col("open_time") == pl.col("open_time").max().over(_DATE)).cast(
        pl.Float64
    ),
}
"""Expressions over hourly candles."""


def _stamped(frame: pl.DataFrame, length: timedelta) -> pl.DataFrame:
    return frame.with_columns(event_timestamp=pl.col("open_time") + length)


def _interpolated(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Missing hours filled by a line towards the candle after the outage."""
    parts = [
        part.upsample("open_time", every="1h").with_columns(pl.col("symbol").forward_fill(), CLOSE.interpolate())
        for part in inputs["candles"].partition_by("symbol")
    ]
    return _stamped(pl.concat(parts), timedelta(hours=1)).with_columns(leak=CLOSE)


def _open_stamped(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return _stamped(inputs["daily_candles"], timedelta(0)).with_columns(leak=CLOSE)


def _across_symbols(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """A shift that forgets where one symbol ends and the next begins."""
    return _stamped(inputs["daily_candles"], _DAY).with_columns(leak=CLOSE / CLOSE.shift(1))


def _scaled_together(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One scaler fitted on all symbols and all time."""
    return _stamped(inputs["daily_candles"], _DAY).with_columns(leak=(CLOSE - CLOSE.mean()) / CLOSE.std())


def _coded(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """A symbol's number in the order in which the frame happens to list them."""
    frame = inputs["daily_candles"]
    codes = {symbol: float(i) for i, symbol in enumerate(frame["symbol"].unique(maintain_order=True))}
    return _stamped(frame, _DAY).with_columns(leak=pl.col("symbol").replace_strict(codes, return_dtype=pl.Float64))


def _without_falls(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """A day is left out if the next one falls."""
    days = _stamped(inputs["daily_candles"], _DAY).sort("symbol", "open_time")
    falls = (pl.datetime(2020, 3, 12, time_zone="UTC") == _DATE) & (CLOSE.shift(-1).over("symbol") < CLOSE)
    return days.filter(~falls.fill_null(value=False)).with_columns(leak=CLOSE)


def _more_than_three(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Tomorrow's return as soon as there are more than three symbols."""
    days = _stamped(inputs["daily_candles"], _DAY).sort("symbol", "open_time")
    bars = -1 if days["symbol"].n_unique() > _FEW else 1
    return days.with_columns(leak=CLOSE.shift(bars).over("symbol") / CLOSE - 1)


_TABLES: dict[str, tuple[str, _Function]] = {
    "interpolated gap": ("candles", _interpolated),
    "daily row stamped with its open": ("daily_candles", _open_stamped),
    "shift across symbols": ("daily_candles", _across_symbols),
    "one scaler for all symbols": ("daily_candles", _scaled_together),
    "symbol coded by position": ("daily_candles", _coded),
    "row left out on 12 March 2020 if the next day falls": ("daily_candles", _without_falls),
    "tomorrow's return among more than three symbols": ("daily_candles", _more_than_three),
}
"""Functions over whole tables."""
