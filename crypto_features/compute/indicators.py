"""Technical indicators as Polars expressions over one symbol's bars in time order.

Every expression is null until its window is full. Window kernels come from `windows`; Wilder's smoothing is
recursive: it starts at the first bar of the frame, and where that lay is forgotten to 1e-9 after some 300 bars.
"""

import polars as pl

from crypto_features.compute.windows import window_deviation, window_mean, window_sum

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


def wilder(values: pl.Expr, bars: int) -> pl.Expr:
    """Wilder's smoothing: the mean of the first `bars` values, from then on moved 1 / `bars` towards each new one.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    seen = values.is_not_null().cum_sum()
    seeded = pl.when(seen == bars).then(window_mean(values, bars)).when(seen > bars).then(values)
    return seeded.ewm_mean(alpha=1 / bars, adjust=False)


def rsi(bars: int) -> pl.Expr:
    """Relative strength index, 0 to 100: the share of Wilder-smoothed gains in gains and losses; null if both are 0.

    Source: Wilder, 1978.
    """
    change = CLOSE.diff()
    gain, loss = wilder(change.clip(lower_bound=0), bars), wilder((-change).clip(lower_bound=0), bars)
    return 100 * gain / (gain + loss)


def true_range() -> pl.Expr:
    """The bar's range, widened to the previous close. Source: Wilder, 1978."""
    previous = CLOSE.shift(1)
    full = pl.max_horizontal(HIGH, previous) - pl.min_horizontal(LOW, previous)
    return pl.when(previous.is_not_null()).then(full)


def atr(bars: int) -> pl.Expr:
    """Average true range: Wilder-smoothed true range. Source: Wilder, 1978."""
    return wilder(true_range(), bars)


def bollinger_width(bars: int, deviations: float) -> pl.Expr:
    """(upper − lower) / middle of the Bollinger bands, population deviation. Source: John Bollinger, 1983."""
    return 2 * deviations * window_deviation(CLOSE, bars, ddof=0) / window_mean(CLOSE, bars)


def typical_price() -> pl.Expr:
    """Mean of high, low and close."""
    return pl.mean_horizontal(HIGH, LOW, CLOSE)


def chaikin_money_flow(bars: int) -> pl.Expr:
    """Chaikin money flow, −1 to 1: volume weighed by where the close lies in its bar's range, over all volume.

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
    return 100 * up / (up + down)
