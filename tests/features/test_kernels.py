"""Window kernels hold exact arithmetic and TA-Lib's values."""

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import polars as pl
import pytest
import talib

from crypto_features.compute import doubling
from crypto_features.compute.doubling import Array, memory
from crypto_features.compute.indicators import CLOSE, adx, atr, ema, macd, macd_diff, rsi, stochastic, wilder
from crypto_features.compute.windows import window_deviation, window_max, window_mean, window_min, window_sum
from crypto_features.errors import InputError
from tests.features.markets import bars

BARS = 1500
TICKS = np.random.default_rng(7).integers(90_000, 110_000, BARS)
PRICES: list[float] = [float(tick) / 100 for tick in TICKS]
HIGHS, LOWS = [price * 1.03 for price in PRICES], [price * 0.98 for price in PRICES]
MARKET = bars(PRICES, columns={"high": HIGHS, "low": LOWS})


def column(expression: pl.Expr, market: pl.DataFrame = MARKET) -> Array:
    return market.select(x=expression)["x"].to_numpy()


def decimals(bars: int, end: int) -> list[Decimal]:
    return [Decimal(PRICES[i]) for i in range(end - bars, end)]


@pytest.mark.parametrize("bars", [1, 2, 3, 5, 14, 20, 31, 60, 64, 257])
def test_windows_equal_exact_arithmetic(bars: int) -> None:
    total, mean = column(window_sum(CLOSE, bars)), column(window_mean(CLOSE, bars))
    deviation = column(window_deviation(CLOSE, bars, ddof=0))
    high, low = column(window_max(CLOSE, bars)), column(window_min(CLOSE, bars))
    for end in range(bars, BARS, 97):
        window = decimals(bars, end)
        exact = sum(window, Decimal(0))
        assert float(total[end - 1]) == pytest.approx(float(exact), rel=1e-15)
        assert float(mean[end - 1]) == pytest.approx(float(exact / bars), rel=1e-15)
        squares = sum(((price - exact / bars) ** 2 for price in window), Decimal(0))
        assert float(deviation[end - 1]) == pytest.approx(float((squares / bars).sqrt()), rel=1e-13)
        assert (high[end - 1], low[end - 1]) == (float(max(window)), float(min(window)))
    for values in (total, mean, deviation, high, low):
        assert np.isnan(values[: bars - 1]).all()


@pytest.mark.parametrize("price", [0.1, 1 / 3, 61_234.56, 1e-8])
def test_a_flat_market_has_exactly_its_price_as_mean_and_no_deviation(price: float) -> None:
    flat = bars([price] * 700)
    for length in (2, 3, 6, 12, 20, 24, 60, 129):
        assert set(column(window_mean(CLOSE, length), flat)[length - 1 :]) == {price}
        assert set(column(window_deviation(CLOSE, length, ddof=1), flat)[length - 1 :]) == {0.0}
    for smoothed in (wilder(CLOSE, 14), ema(CLOSE, 14)):
        assert set(column(smoothed, flat)[13:]) == {price}


@pytest.mark.parametrize("history", [40, 300, 511, 512, 513, BARS])
def test_smoothing_equals_exact_arithmetic_however_short_the_history(history: int) -> None:
    young = MARKET.head(history)
    with localcontext() as context:
        context.prec = 60
        prices = [Decimal(price) for price in PRICES[:history]]
        smoothed, mean = sum(prices[:14], Decimal(0)) / 14, prices[0]
        for price in prices[14:]:
            smoothed += (price - smoothed) / 14
        for price in prices[1:]:
            mean += (price - mean) * 2 / 27
    assert float(column(wilder(CLOSE, 14), young)[-1]) == pytest.approx(float(smoothed), rel=1e-14)
    assert float(column(ema(CLOSE, 26), young)[-1]) == pytest.approx(float(mean), rel=1e-14)


def test_every_bar_from_the_first_equals_ta_lib() -> None:
    close, high, low = np.array(PRICES), np.array(HIGHS), np.array(LOWS)
    pairs = {
        "RSI": (column(rsi(14)), talib.RSI(close, 14)),
        "ATR": (column(atr(14)), talib.ATR(high, low, close, 14)),
        "EMA": (doubling.exponential_means(close, 2 / 27, seed=26), talib.EMA(close, 26)),
        "stochastic": (column(stochastic(14)), talib.STOCHF(high, low, close, 14, 1)[0]),
        "maximum": (column(window_max(CLOSE, 14)), talib.MAX(close, 14)),
        "minimum": (column(window_min(CLOSE, 14)), talib.MIN(close, 14)),
    }
    for name, (ours, theirs) in pairs.items():
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), name
        assert np.nanmax(np.abs(ours / theirs - 1)) < 1e-12, name


def test_adx_begins_where_ta_libs_does_and_equals_it_once_both_starts_are_forgotten() -> None:
    draw = np.random.default_rng(3)
    close = np.array(PRICES)
    high, low = close * (1 + draw.uniform(0, 0.03, BARS)), close * (1 - draw.uniform(0, 0.03, BARS))
    ours = column(adx(14), MARKET.with_columns(high=pl.Series(high), low=pl.Series(low)))
    theirs = talib.ADX(high, low, close, 14)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    assert ours[450:] == pytest.approx(theirs[450:], abs=1e-9)


def test_macd_starts_at_the_first_close_and_is_ta_libs_once_both_starts_are_forgotten() -> None:
    close = MARKET["close"]
    line = close.ewm_mean(span=12, adjust=False) - close.ewm_mean(span=26, adjust=False)
    signal = line[25:].ewm_mean(span=9, adjust=False)
    ours, lines = column(macd_diff(12, 26, 9)), column(macd(12, 26))
    assert np.isnan(lines[:25]).all()
    assert np.isnan(ours[:33]).all()
    assert lines[25:] == pytest.approx(line[25:].to_numpy(), abs=1e-9)
    assert ours[33:] == pytest.approx((line[25:] - signal)[8:].to_numpy(), abs=1e-9)
    assert ours[450:] == pytest.approx(talib.MACD(close.to_numpy(), 12, 26, 9)[2][450:], abs=1e-9)


def test_smoothing_remembers_the_power_of_two_after_which_nothing_is_left() -> None:
    assert [memory(1 / 14), memory(2 / 27), memory(2 / 13), memory(2 / 10), memory(2 / 201)] == [
        512,
        512,
        256,
        256,
        4096,
    ]
    for alpha in (1 / 14, 2 / 27, 0.2, 0.5):
        assert (1 - alpha) ** memory(alpha) < 2**-53 < (1 - alpha) ** (memory(alpha) / 2)
    assert memory(1.0) == 1


def test_long_arrays_and_several_histories_at_once_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array(PRICES)
    kernels: dict[str, Callable[[Array], Array]] = {
        "sum": lambda x: doubling.sums(x, 20),
        "mean": lambda x: doubling.means(x, 60),
        "deviation": lambda x: doubling.deviations(x, 20, 1),
        "highest": lambda x: doubling.highest(x, 14),
        "smoothed": lambda x: doubling.exponential_means(x, 1 / 14, seed=14, skip=1),
    }
    whole = {name: kernel(values) for name, kernel in kernels.items()}
    monkeypatch.setattr(doubling, "BLOCK", 100)
    for name, kernel in kernels.items():
        assert np.array_equal(kernel(values), whole[name], equal_nan=True), name
        both = kernel(np.stack([values[::-1], values]))
        assert np.array_equal(both[1], whole[name], equal_nan=True), name


def test_a_zero_has_no_sign_in_the_greatest_and_the_least() -> None:
    zeros = np.array([-0.0, 0.0, -0.0, -0.0])
    for found in (doubling.highest(zeros, 2), doubling.lowest(zeros, 2)):
        assert not np.signbit(found[1:]).any()


def test_a_window_that_can_have_no_value_is_refused() -> None:
    with pytest.raises(InputError, match="window of 0 bars has no value here; expected bars=1 or more"):
        window_mean(CLOSE, 0)
    with pytest.raises(InputError, match="window of 0 bars"):
        wilder(CLOSE, 0)
    with pytest.raises(InputError, match="window of -1 bars"):
        ema(CLOSE, -1)
    with pytest.raises(InputError, match="window of 1 bars has no value here; expected bars=2 or more"):
        window_deviation(CLOSE, 1, ddof=1)
