"""A value depends on its window and nothing else, to the bit: whatever came before, whoever computes it."""

import numpy as np
import numpy.typing as npt
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_features.compute.indicators import (
    CLOSE,
    VOLUME,
    atr,
    bollinger_width,
    chaikin_money_flow,
    ema,
    macd,
    macd_diff,
    money_flow_index,
    price_return,
    rsi,
    stochastic,
    volatility,
    wilder,
)
from crypto_features.compute.windows import window_deviation, window_max, window_mean, window_min, window_sum

WINDOWS: dict[str, tuple[pl.Expr, int]] = {
    "sum": (window_sum(VOLUME, 20), 20),
    "mean": (window_mean(CLOSE, 60), 60),
    "deviation": (window_deviation(CLOSE, 20, ddof=1), 20),
    "maximum": (window_max(CLOSE, 14), 14),
    "minimum": (window_min(CLOSE, 23), 23),
    "Wilder": (wilder(CLOSE, 14), 512),
    "exponential mean": (ema(CLOSE, 26), 512),
    "short exponential mean": (ema(VOLUME, 9, skip=3), 259),
    "return": (price_return(5), 6),
    "volatility": (volatility(20), 21),
    "RSI": (rsi(14), 513),
    "ATR": (atr(14), 513),
    "MACD": (macd(12, 26), 512),
    "MACD's distance from its signal": (macd_diff(12, 26, 9), 512 + 256 - 1),
    "stochastic": (stochastic(14), 14),
    "Bollinger": (bollinger_width(20, 2), 20),
    "Chaikin": (chaikin_money_flow(20), 20),
    "money flow": (money_flow_index(14), 15),
}
LONGEST = max(window for _, window in WINDOWS.values())
ODD = st.sampled_from([None, float("nan"), float("inf"), 1e300, -0.0, 5e-324])


@st.composite
def markets(draw: st.DrawFn, least: int = 1, most: int = 2 * LONGEST) -> pl.DataFrame:
    """Bars of one symbol, some of them flat, with a few nulls, NaN and numbers out of the way."""
    length = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = random.normal(0, 0.02, length) * (random.random(length) < draw(st.sampled_from([0.01, 0.5, 1])))
    close = 10.0 ** draw(st.integers(-8, 5)) * np.exp(steps.cumsum())
    spread = close * random.random((2, length)) * 0.03
    columns = {"high": close + spread[0], "low": close - spread[1], "close": close, "volume": random.random(length)}
    frame = pl.DataFrame(columns)
    for name in ("close", "high", "volume"):
        odd = dict(draw(st.lists(st.tuples(st.integers(0, length - 1), ODD), max_size=2)))
        values = [odd.get(i, value) for i, value in enumerate(frame[name].to_list())]
        frame = frame.with_columns(pl.Series(name, values, dtype=pl.Float64))
    return frame


def bits(frame: pl.DataFrame, name: str) -> npt.NDArray[np.int64]:
    """What is published: null for what is not finite."""
    values = frame[name].to_numpy()
    return np.where(np.isfinite(values), values, np.nan).view(np.int64)


def computed(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    return frame.select(WINDOWS[name][0].alias(name) for name in names or WINDOWS)


@settings(deadline=None, max_examples=40)
@given(markets(least=LONGEST + 1), st.data())
def test_a_value_has_the_same_bits_from_any_start_to_any_end_and_for_one_bar_alone(
    market: pl.DataFrame, data: st.DataObject
) -> None:
    whole = computed(market)
    start = data.draw(st.integers(0, market.height - LONGEST), label="start")
    end = data.draw(st.integers(start + LONGEST, market.height), label="end")
    part = computed(market[start:end])
    for name, (_, window) in WINDOWS.items():
        expected = bits(whole, name)
        assert np.array_equal(bits(part, name)[window - 1 :], expected[start + window - 1 : end]), name
        alone = computed(market[end - window : end], name)
        assert bits(alone, name)[-1] == expected[end - 1], name


@settings(deadline=None, max_examples=20)
@given(markets(), st.data())
def test_no_value_depends_on_later_bars_however_short_the_history(market: pl.DataFrame, data: st.DataObject) -> None:
    end = data.draw(st.integers(1, market.height), label="end")
    whole, known = computed(market), computed(market[:end])
    for name in WINDOWS:
        assert np.array_equal(bits(known, name), bits(whole, name)[:end]), name


@settings(deadline=None, max_examples=20)
@given(st.lists(markets(most=LONGEST + 100), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_symbols_in_one_frame_do_not_touch_each_other(symbols: list[pl.DataFrame], random: object) -> None:
    frame = pl.concat(
        market.with_columns(symbol=pl.lit(str(i)), bar=pl.int_range(pl.len())) for i, market in enumerate(symbols)
    )
    seed = random.randrange(2**32)  # type: ignore[attr-defined] # Hypothesis types its randoms as objects.
    for together in (frame, frame.sample(fraction=1, shuffle=True, seed=seed).sort("bar", maintain_order=True)):
        rows = together.select("symbol", *(e.over("symbol").alias(n) for n, (e, _) in WINDOWS.items()))
        for i, market in enumerate(symbols):
            alone, own = computed(market), rows.filter(symbol=str(i))
            for name in WINDOWS:
                assert np.array_equal(bits(own, name), bits(alone, name)), name


def test_an_odd_value_leaves_nothing_behind_once_it_has_left_the_window() -> None:
    random = np.random.default_rng(3)
    clean = pl.DataFrame({name: random.random(1700) + 1 for name in ("close", "high", "low", "volume")})
    for odd in (None, float("nan"), float("inf"), 1e300):
        spoilt = clean.with_columns(
            pl.when(pl.int_range(pl.len()) == 200).then(pl.lit(odd, dtype=pl.Float64)).otherwise(pl.all()).name.keep()
        )
        for name, (_, window) in WINDOWS.items():
            assert np.array_equal(
                bits(computed(spoilt, name), name)[200 + window :], bits(computed(clean, name), name)[200 + window :]
            ), name
