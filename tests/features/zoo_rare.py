"""Planted leaks that show on few days, at few prices or for one symbol only."""

from collections.abc import Mapping

import polars as pl

from crypto_features.compute.indicators import CLOSE, HIGH, LOW, OPEN, VOLUME, price_return
from crypto_features.compute.windows import window_mean

_OPEN_TIME, _CLOSE_TIME = pl.col("open_time"), pl.col("event_timestamp")
_TOMORROW = CLOSE.shift(-1) / CLOSE - 1
_DAY = _OPEN_TIME.dt.truncate("1d")
_SUNDAY = 7


def _only(when: pl.Expr, leak: pl.Expr = _TOMORROW, honest: pl.Expr | None = None) -> pl.Expr:
    return pl.when(when).then(leak).otherwise(price_return(1) if honest is None else honest)


def _date(year: int, month: int, day: int) -> pl.Expr:
    return pl.datetime(year, month, day, time_zone="UTC") == _DAY


_CLOCKS_CHANGE = (_OPEN_TIME.dt.weekday() == _SUNDAY) & (
    _OPEN_TIME.dt.month().is_in([3, 10]) & (_OPEN_TIME.dt.day() > 24)
)
_LOCAL = _OPEN_TIME.dt.convert_time_zone("America/New_York")

DAILY: Mapping[str, tuple[pl.Expr, int]] = {
    "tomorrow's return on 29 February": (_only((_OPEN_TIME.dt.month() == 2) & (_OPEN_TIME.dt.day() == 29)), 2),
    "tomorrow's return on 12 March 2020": (_only(_date(2020, 3, 12)), 2),
    "tomorrow's close in a 60-day mean on 8 November 2022": (
        _only(_date(2022, 11, 8), window_mean(CLOSE, 60).shift(-1), window_mean(CLOSE, 60)),
        60,
    ),
    "tomorrow's direction on 19 May 2021": (
        _only(
            _date(2021, 5, 19), (CLOSE.shift(-1) > CLOSE).cast(pl.Float64), (CLOSE.shift(1) < CLOSE).cast(pl.Float64)
        ),
        2,
    ),
    "tomorrow's return on the Sundays when clocks change": (_only(_CLOCKS_CHANGE), 2),
    "tomorrow's return in December": (_only(_OPEN_TIME.dt.month() == 12), 2),
    "the month's close from the 15th on, in December": (
        _only(
            (_OPEN_TIME.dt.month() == 12) & (_OPEN_TIME.dt.day() >= 15),
            CLOSE.last().over(_OPEN_TIME.dt.truncate("1mo")) / CLOSE,
        ),
        2,
    ),
    "tomorrow's return on the last day of a year": (_only(_CLOSE_TIME.dt.ordinal_day() == 1), 2),
    "tomorrow's return on the last day of a quarter": (
        _only((_CLOSE_TIME.dt.day() == 1) & (_CLOSE_TIME.dt.month() % 3 == 1)),
        2,
    ),
    "tomorrow's return after a year": (_only(pl.int_range(pl.len()) > 400), 2),
    "tomorrow's return above a price of 50,000": (_only(CLOSE > 50_000), 2),
    "tomorrow's return above a price of 900,000": (_only(CLOSE > 900_000), 2),
    "tomorrow's return below a price of 10⁻⁸": (_only(CLOSE < 1e-8), 2),
    "tomorrow's return at prices from 7 to 8": (_only(CLOSE.is_between(7, 8)), 2),
    "tomorrow's return above a volume of 10 million": (_only(VOLUME > 1e7), 2),
    "tomorrow's return for FTT": (_only(pl.col("symbol") == "FTT"), 2),
    "tomorrow's return for BTC": (_only(pl.col("symbol") == "BTC"), 2),
    "tomorrow's return for symbols that end with USDC": (_only(pl.col("symbol").str.ends_with("USDC")), 2),
    "tomorrow's range on Fridays of 2023": (
        _only((_OPEN_TIME.dt.weekday() == 5) & (_OPEN_TIME.dt.year() == 2023), (HIGH - LOW).shift(-1) / CLOSE),
        2,
    ),
    "tomorrow's return on the first day of a quarter": (
        _only((_OPEN_TIME.dt.day() == 1) & (_OPEN_TIME.dt.month() % 3 == 1)),
        2,
    ),
    "tomorrow's return on Fridays the 13th": (_only((_OPEN_TIME.dt.weekday() == 5) & (_OPEN_TIME.dt.day() == 13)), 2),
    "tomorrow's return in week 53": (_only(_OPEN_TIME.dt.week() == 53), 2),
    "tomorrow's return in the third year": (_only(pl.int_range(pl.len()).is_between(731, 1095)), 2),
    "tomorrow's return after a day without volume": (_only(VOLUME == 0), 2),
    "tomorrow's return after a fall by a fifth": (_only(price_return(1) < -0.2), 2),
    "tomorrow's return after a rise by half": (_only(price_return(1) > 0.5), 2),
    "tomorrow's return after a wide range": (_only((HIGH - LOW) / CLOSE > 0.3), 2),
    "tomorrow's return after a missing day": (_only(_OPEN_TIME.diff().dt.total_days() > 1), 2),
    "tomorrow's return at round prices": (_only((CLOSE % 100 == 0) & (CLOSE > 0)), 2),
    "tomorrow's return at prices that end in 7": (_only(CLOSE.cast(pl.String).str.ends_with("7")), 2),
    "tomorrow's return for symbols that end with USDT": (_only(pl.col("symbol").str.ends_with("USDT")), 2),
    "tomorrow's return for names of five letters": (_only(pl.col("symbol").str.len_chars() == 5), 2),
    "tomorrow's return for names with a digit": (_only(pl.col("symbol").str.contains("[0-9]")), 2),
    "the close in a month on 12 March 2020": (_only(_date(2020, 3, 12), CLOSE.shift(-30) / CLOSE - 1), 2),
    "the next candle's day in December": (
        _only(_OPEN_TIME.dt.month() == 12, _OPEN_TIME.shift(-1).dt.day().cast(pl.Float64)),
        2,
    ),
}
"""Expressions over daily candles, each with the window that its author would declare."""

HOURLY: Mapping[str, pl.Expr] = {
    "the next hour in the last hour of a month": _only(_CLOSE_TIME.dt.month_start().dt.truncate("1d") == _CLOSE_TIME),
    "the next hour on 29 February": _only((_OPEN_TIME.dt.month() == 2) & (_OPEN_TIME.dt.day() == 29)),
    "the next hour on 18 June 2022": _only(_date(2022, 6, 18)),
    "the next hour on the Sundays when clocks change": _only(_CLOCKS_CHANGE),
    "the next hour in New York's night when clocks change": _only(
        _LOCAL.dt.dst_offset() != _LOCAL.shift(1).dt.dst_offset()
    ),
    "the next hour in December": _only(_OPEN_TIME.dt.month() == 12),
    "the day's close at 13:00 on the 13th": _only(
        (_OPEN_TIME.dt.hour() == 13) & (_OPEN_TIME.dt.day() == 13), CLOSE.last().over(_DAY) / OPEN.first().over(_DAY)
    ),
    "the next hour after a year": _only(pl.int_range(pl.len()) > 9_000),
    "the next hour after an outage": _only(_OPEN_TIME.diff().dt.total_hours() > 1),
    "the next hour after a candle without a move": _only(CLOSE == OPEN),
    "the next hour after a wick": _only(LOW < 0.5 * CLOSE),
    "the next hour for FTT": _only(pl.col("symbol") == "FTT"),
    "the next hour above a price of 50,000": _only(CLOSE > 50_000),
}
"""Expressions over hourly candles; the window is 2."""
