"""Real candles: TA-Lib and `ta` where they are right, and which side is right where they are not."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import ta
import talib

from crypto_features.shipped import catalog
from crypto_features.tables.partition import evaluate
from tests.features.markets import HOUR, bars, monthly, values

SEEDED_OTHERWISE = {
    "TA-Lib": {"macd_diff": 330},
    "ta": {"rsi_14": 330, "atr_14": 330, "atr_ratio": 330},
}
"""Bars after which an indicator has forgotten how it was started: RSI and ATR start as TA-Lib's do, with the mean of
the first 14, MACD as that of `ta`, with the first close."""
LOOSE = {"bb_width": 1e-8, "bb_position": 1e-8}
"""Bollinger: both libraries subtract running sums of squares; the next test shows the exact value and who is off."""
TA_IS_WRONG = {("TRX", "mfi_14")}
"""It takes the rounding of two equal typical prices for a rise: a test below shows the definition and TA-Lib."""
PRICE, VOLUME = catalog.groups["price_features"], catalog.groups["volume_features"]


def _talib(d: pl.DataFrame) -> dict[str, np.ndarray]:
    h, l, c, v = (d[name].to_numpy() for name in ("high", "low", "close", "volume"))  # noqa: E741 - the field's
    upper, middle, lower = talib.BBANDS(c, 20, 2, 2)
    change = talib.ROC(c, 1) / 100
    spread = np.where(h > l, h - l, 1)
    flow = ((c - l) - (h - c)) / spread * v
    sums = {n: talib.SMA(x, 20) * 20 for n, x in (("flow", flow), ("volume", v))}
    ma = {n: talib.SMA(c, n) for n in (5, 20, 60)}
    return {
        "return_1d": change,
        "return_5d": talib.ROC(c, 5) / 100,
        "return_20d": talib.ROC(c, 20) / 100,
        **{f"ma_{n}": mean for n, mean in ma.items()},
        "ma_5_20_ratio": ma[5] / ma[20],
        "ma_20_60_ratio": ma[20] / ma[60],
        "price_ma_20_ratio": c / ma[20],
        "volatility_20d": talib.STDDEV(np.nan_to_num(change), 20) * np.sqrt(20 / 19),
        "volatility_60d": talib.STDDEV(np.nan_to_num(change), 60) * np.sqrt(60 / 59),
        "rsi_14": talib.RSI(c, 14),
        "atr_14": talib.ATR(h, l, c, 14),
        "atr_ratio": talib.ATR(h, l, c, 14) / c,
        "bb_width": (upper - lower) / middle,
        "bb_position": (c - lower) / (upper - lower),
        "ma_alignment": ((ma[5] > ma[20]) * 1.0 + (ma[20] > ma[60])) / 2,
        "macd_diff": talib.MACD(c, 12, 26, 9)[2],
        "stoch_k_14": talib.STOCHF(h, l, c, 14, 1)[0],
        "volume_ma_20": talib.SMA(v, 20),
        "volume_ratio": v / talib.SMA(v, 20),
        "volume_trend": talib.SMA(v, 5) / talib.SMA(v, 20) - 1,
        "dollar_volume": v * talib.TYPPRICE(h, l, c),
        "cmf_20": sums["flow"] / sums["volume"],
        "mfi_14": talib.MFI(h, l, c, v, 14),
    }


def _ta(d: pl.DataFrame) -> dict[str, np.ndarray]:
    h, l, c, v = (d[name].to_pandas() for name in ("high", "low", "close", "volume"))  # noqa: E741 - the field's
    bands = ta.volatility.BollingerBands(c, 20, 2)
    atr = ta.volatility.AverageTrueRange(h, l, c, 14).average_true_range()
    found = {
        "rsi_14": ta.momentum.RSIIndicator(c, 14).rsi(),
        "atr_14": atr,
        "atr_ratio": atr / c,
        "bb_width": bands.bollinger_wband() / 100,
        "bb_position": bands.bollinger_pband(),
        "macd_diff": ta.trend.MACD(c, 26, 12, 9).macd_diff(),
        "stoch_k_14": ta.momentum.StochasticOscillator(h, l, c, 14).stoch(),
        "cmf_20": ta.volume.ChaikinMoneyFlowIndicator(h, l, c, v, 20).chaikin_money_flow(),
        "mfi_14": ta.volume.MFIIndicator(h, l, c, v, 14).money_flow_index(),
        "ma_60": ta.trend.SMAIndicator(c, 60).sma_indicator(),
    }
    return {name: series.to_numpy() for name, series in found.items()}


@pytest.mark.parametrize("reference", [_talib, _ta], ids=["TA-Lib", "ta"])
def test_every_indicator_equals_the_library(
    real_daily: pl.DataFrame, reference: Callable[[pl.DataFrame], dict[str, np.ndarray]]
) -> None:
    otherwise = SEEDED_OTHERWISE["TA-Lib" if reference is _talib else "ta"]
    for symbol in real_daily["symbol"].unique():
        daily = real_daily.filter(symbol=symbol).drop("completeness")  # the libraries withhold no day.
        expected = reference(daily)
        for group in (PRICE, VOLUME):
            rows = evaluate(group, {"daily_candles": daily}, interval=HOUR)
            for feature in group.features:
                if feature.name not in expected or (reference is _ta and (symbol, feature.name) in TA_IS_WRONG):
                    continue
                first = otherwise.get(feature.name, feature.warm_up - 1)
                # the libraries' running sums gather rounding over the history; a difference may be near 0.
                got, want = rows[feature.name].to_numpy()[first:], expected[feature.name][first:]
                scale = np.maximum(np.abs(want), 1e-2 * np.nanmax(np.abs(want)))
                worst = np.nanmax(np.abs(got - want) / scale)
                assert worst < LOOSE.get(feature.name, 1e-9), f"{symbol} {feature.name}: {worst}"
                assert np.isnan(got).sum() == np.isnan(want).sum(), f"{symbol} {feature.name}"


def test_bollinger_bands_equal_exact_arithmetic_where_the_libraries_round(real_daily: pl.DataFrame) -> None:
    daily = real_daily.filter(symbol="ETH").drop("completeness")
    ours = values(PRICE, "bb_position", daily)
    theirs = _talib(daily)["bb_position"]
    off: list[tuple[float, float]] = []
    for end in range(20, daily.height, 3):
        window = [Decimal(price) for price in daily["close"][end - 20 : end]]
        mean = sum(window, Decimal(0)) / 20
        deviation = (sum(((price - mean) ** 2 for price in window), Decimal(0)) / 20).sqrt()
        exact = float((window[-1] - mean + 2 * deviation) / (4 * deviation))
        scale = max(abs(exact), 1e-2)
        off.append((abs(float(ours[end - 1] or 0) - exact) / scale, abs(theirs[end - 1] - exact) / scale))
    assert max(error for error, _ in off) < 1e-12 < max(error for _, error in off)


def test_published_values_equal_those_computed_apart(real_market: Path, real_daily: pl.DataFrame) -> None:
    expected = pl.read_csv(real_market / "expected_daily_features.csv", try_parse_dates=True)
    expected = expected.with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))).drop("close")
    tables = [monthly(group, {"daily_candles": real_daily}, real_daily["open_time"]) for group in (PRICE, VOLUME)]
    got = tables[0].join(tables[1], on=["symbol", "event_timestamp"])
    both = expected.join(got, on=["symbol", "event_timestamp"], how="left", suffix="_got")
    assert both.height == 234
    for name in expected.columns[2:]:
        error = both.select(((pl.col(name) - pl.col(f"{name}_got")) / pl.col(name)).abs().fill_null(1)).to_series()
        assert error.max() < 1e-9, name  # type: ignore[operator] # a float


def test_an_unchanged_typical_price_is_no_money_flow_though_ta_counts_its_rounding() -> None:
    # both bars add up to 0.18281, but for rounding; the next bar falls and the twelve after it rise.
    high, low, close = [0.06298, 0.0622], [0.05851, 0.05946], [0.06132, 0.06115]
    steps = [0.9, *(1 + 0.01 * n for n in range(12))]
    high, low, close = ([*price, *(price[1] * step for step in steps)] for price in (high, low, close))
    daily = bars(close, columns={"high": high, "low": low})
    h, l, c, v = (daily[name] for name in ("high", "low", "close", "volume"))  # noqa: E741 - the field's
    rising = sum(0.18281 / 3 * step for step in steps[1:])
    definition = pytest.approx(100 * rising / (rising + 0.18281 / 3 * 0.9), rel=1e-12)
    assert values(VOLUME, "mfi_14", daily)[-1] == definition
    assert talib.MFI(h.to_numpy(), l.to_numpy(), c.to_numpy(), v.to_numpy(), 14)[-1] == definition
    theirs = ta.volume.MFIIndicator(h.to_pandas(), l.to_pandas(), c.to_pandas(), v.to_pandas(), 14)
    assert theirs.money_flow_index().iloc[-1] != pytest.approx(100 * rising / (rising + 0.18281 / 3 * 0.9), rel=1e-3)


def test_rsi_of_a_flat_market_is_undefined_where_ta_says_100() -> None:
    close = [5.0] * 30
    assert ta.momentum.RSIIndicator(bars(close)["close"].to_pandas(), 14).rsi().iloc[-1] == 100.0
    # gain 0 and loss 0: the definition's 100 · gain / (gain + loss) has no value.
    assert values(PRICE, "rsi_14", bars(close))[-1] is None


def test_the_warm_up_of_atr_is_null_where_ta_says_zero() -> None:
    close = [5.0 + n % 3 for n in range(30)]
    daily = bars(close, columns={"high": [c + 1 for c in close], "low": [c - 1 for c in close]})
    h, l, c = (daily[name].to_pandas() for name in ("high", "low", "close"))  # noqa: E741 - the field's
    assert ta.volatility.AverageTrueRange(h, l, c, 14).average_true_range().iloc[0] == 0.0
    assert values(PRICE, "atr_14", daily)[:14] == [None] * 14
    assert np.isnan(talib.ATR(h.to_numpy(), l.to_numpy(), c.to_numpy(), 14)[:14]).all()


def test_ta_adds_volume_on_an_unchanged_close_where_the_definition_adds_none() -> None:
    daily = bars([10.0, 10.0, 11.0], columns={"volume": [1.0, 2.0, 4.0]})
    obv = ta.volume.OnBalanceVolumeIndicator(daily["close"].to_pandas(), daily["volume"].to_pandas())
    # Granville: the unchanged second day counts neither way, so the running total grows by the third day's 4 only.
    assert obv.on_balance_volume().diff().tolist()[1:] == [2.0, 4.0]
    assert np.diff(talib.OBV(daily["close"].to_numpy(), daily["volume"].to_numpy())).tolist() == [0.0, 4.0]
