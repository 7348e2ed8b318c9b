"""Technical indicators as Polars expressions over one symbol's bars in time order.

Every expression is null until its definition has a value, and depends on its window alone, to the bit.

Recursive smoothing reads the bars of which 2⁻⁵³ or more would be left (`doubling.memory`): 512 for Wilder's 14 and for
an exponential mean of 26, 256 for 12 and 9. While a symbol has fewer, its smoothing begins with the first ones, as
TA-Lib's does (`wilder`) or that of `ta` (`ema`), and depends on every bar there is.
"""

import numpy as np
import polars as pl

from crypto_features.compute.doubling import Array, exponential_means
from crypto_features.compute.windows import (
    check_window,
    over_bars,
    window_deviation,
    window_max,
    window_mean,
    window_min,
    window_sum,
)

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))

ROUNDING = 1e-12
"""Relative difference below which two prices are equal: decimals that are equal differ by this little as floats."""


def exceeds(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Whether a price or a mean of prices is above another, as exact decimals would decide it; equal ones are not."""
    return left - right > ROUNDING * right


def price_return(bars: int) -> pl.Expr:
    """Simple return of the close over `bars` bars."""
    return CLOSE / CLOSE.shift(bars) - 1


def volatility(bars: int) -> pl.Expr:
    """Sample standard deviation (ddof 1) of the last `bars` one-bar returns, not annualized."""
    return window_deviation(price_return(1), bars, ddof=1)


def wilder(values: pl.Expr, bars: int, *, skip: int = 0) -> pl.Expr:
    """Wilder's smoothing: the mean of the first `bars` values, from then on moved 1 / `bars` towards each new one.

    It depends on the last `memory(1 / bars)` values; a null among them makes it null.
    Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.

    Args:
        values: What is smoothed.
        bars: Its period.
        skip: How many bars of a symbol come before the first value: 1 for a change from bar to bar.
    """
    check_window(bars)
    return over_bars(values, lambda known: exponential_means(known, 1 / bars, seed=bars, skip=skip))


def ema(values: pl.Expr, bars: int, *, skip: int = 0) -> pl.Expr:
    """Exponential mean of weight 2 / (`bars` + 1), started at the first value; null before there are `bars` values.

    It depends on the last `memory(2 / (bars + 1))` values; a null among them makes it null.

    Args:
        values: What is averaged.
        bars: Its period.
        skip: How many bars of a symbol come before the first value.
    """
    check_window(bars)
    return over_bars(values, lambda known: _ema(known, bars, skip))


def _ema(values: Array, bars: int, skip: int = 0) -> Array:
    means = exponential_means(values, 2 / (bars + 1), seed=1, skip=skip)
    means[: skip + bars - 1] = np.nan
    return means


def macd(fast: int, slow: int) -> pl.Expr:
    """Exponential mean of period `fast` minus that of period `slow`, of closes; null before bar `slow`.

    Source: Gerald Appel, The Moving Average Convergence-Divergence Trading Method, 1979.
    """
    return over_bars(CLOSE, lambda close: _ema(close, fast) - _ema(close, slow))


def macd_diff(fast: int, slow: int, signal: int) -> pl.Expr:
    """MACD minus its signal, its own exponential mean; null before bar `slow` + `signal` − 1. Source: Appel, 1979."""

    def distance(close: Array) -> Array:
        line = _ema(close, fast) - _ema(close, slow)
        return line - _ema(line, signal, skip=slow - 1)

    return over_bars(CLOSE, distance)


def rsi(bars: int) -> pl.Expr:
    """Relative strength index, 0 to 100: the share of Wilder-smoothed gains in gains and losses; null if both are 0.

    Source: Wilder, 1978.
    """
    change = CLOSE.diff()
    gain = wilder(change.clip(lower_bound=0), bars, skip=1)
    loss = wilder((-change).clip(lower_bound=0), bars, skip=1)
    return 100 / (1 + loss / gain)


def true_range() -> pl.Expr:
    """The bar's range, widened to the previous close. Source: Wilder, 1978."""
    previous = CLOSE.shift(1)
    full = pl.max_horizontal(HIGH, previous) - pl.min_horizontal(LOW, previous)
    return pl.when(previous.is_not_null()).then(full)


def atr(bars: int) -> pl.Expr:
    """Average true range: Wilder-smoothed true range. Source: Wilder, 1978."""
    return wilder(true_range(), bars, skip=1)


def adx(bars: int) -> pl.Expr:
    """Average directional index, 0 to 100: Wilder-smoothed difference of rises of the high and falls of the low.

    Null where the smoothed rises and falls are both 0. It depends on the last 2 · `memory(1 / bars)` bars.
    Source: Wilder, 1978.
    """
    up, down = HIGH.diff(), -LOW.diff()
    rises = wilder(pl.when((up > down) & (up > 0)).then(up).when(up.is_not_null()).then(0.0), bars, skip=1)
    falls = wilder(pl.when((down > up) & (down > 0)).then(down).when(up.is_not_null()).then(0.0), bars, skip=1)
    return wilder(100 * (rises - falls).abs() / (rises + falls), bars, skip=bars)


def bollinger_width(bars: int, deviations: float) -> pl.Expr:
    """(upper − lower) / middle of the Bollinger bands, population deviation. Source: John Bollinger, 1983."""
    return 2 * deviations * window_deviation(CLOSE, bars, ddof=0) / window_mean(CLOSE, bars)


def stochastic(bars: int) -> pl.Expr:
    """Where the close lies between the lowest low (0) and the highest high (100) of `bars` bars; null without range.

    Source: George Lane.
    """
    above, below = window_max(HIGH, bars) - CLOSE, CLOSE - window_min(LOW, bars)
    return 100 / (1 + above / below)


def typical_price() -> pl.Expr:
    """Mean of high, low and close."""
    return pl.mean_horizontal(HIGH, LOW, CLOSE)


def chaikin_money_flow(bars: int) -> pl.Expr:
    """Chaikin money flow, −1 to 1: volume weighed by where the close is in its bar's range, over all volume.

    A bar without a range weighs 0; null if no volume was traded in the window. Source: Marc Chaikin.
    """
    spread = HIGH - LOW
    location = pl.when(spread == 0).then(0.0).otherwise((2 * CLOSE - LOW - HIGH) / spread)
    return window_sum(location * VOLUME, bars) / window_sum(VOLUME, bars)


def money_flow_index(bars: int) -> pl.Expr:
    """Money flow index, 0 to 100: the share of money traded on bars whose typical price rose.

    Bars with an unchanged typical price count on neither side; null if no bar counts. Prices that are equal as decimals
    differ by rounding once they are added, so a change must exceed it. Source: Quong and Soudack, 1989.
    """
    price = typical_price()
    money, change = price * VOLUME, price.diff() / price
    rising = pl.when(change > ROUNDING).then(money).when(change.is_not_null()).then(0.0)
    falling = pl.when(change < -ROUNDING).then(money).when(change.is_not_null()).then(0.0)
    up, down = window_sum(rising, bars), window_sum(falling, bars)
    return 100 / (1 + down / up)
