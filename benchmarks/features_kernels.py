"""Window kernels: time, and bits that change when history starts elsewhere: `python -m benchmarks.features_kernels`.

Beside ours stand the ways to compute a window that depend on their start, and, as controls, the libraries wickra and
quantwave where they are installed: `pip install wickra quantwave`.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import talib

from crypto_features.compute import indicators, windows

Array = npt.NDArray[np.float64]
BARS, LATER = 1_000_000, 100_000
CLOSE = pl.col("close")
CONTROLS = ("wickra", "quantwave")


def ours(expression: pl.Expr) -> Callable[[Array], Array]:
    """One of our expressions as a function of closes."""
    return lambda close: pl.DataFrame({"close": close}).select(x=expression)["x"].to_numpy()


def afresh(close: Array) -> Array:
    """A mean of 20 that adds each window afresh, bar by bar: what ours were before."""
    full = len(close) - 19
    total = np.zeros(full)
    for bar in range(20):
        total += close[bar : bar + full]
    return np.concatenate([np.full(19, np.nan), total / 20])


def methods() -> Iterator[tuple[str, str, int, Callable[[Array], Array]]]:
    """What is computed, by whom, bars of its window, and how."""
    for name, bars, expression in (
        ("mean of 20", 20, windows.window_mean(CLOSE, 20)),
        ("deviation of 20", 20, windows.window_deviation(CLOSE, 20, ddof=0)),
        ("maximum of 14", 14, windows.window_max(CLOSE, 14)),
        ("exponential mean of 26", 512, indicators.ema(CLOSE, 26)),
        ("RSI 14", 513, indicators.rsi(14)),
        ("MACD 12, 26, 9", 767, indicators.macd_diff(12, 26, 9)),
    ):
        yield name, "**ours**", bars, ours(expression)
    yield "mean of 20", "each window afresh", 20, afresh
    yield "mean of 20", "Polars", 20, lambda close: pl.Series(close).rolling_mean(20).to_numpy()
    yield "deviation of 20", "Polars", 20, lambda close: pl.Series(close).rolling_std(20).to_numpy()
    yield "maximum of 14", "Polars", 14, lambda close: pl.Series(close).rolling_max(14).to_numpy()
    yield (
        "exponential mean of 26",
        "Polars",
        512,
        lambda close: pl.Series(close).ewm_mean(span=26, adjust=False).to_numpy(),
    )
    yield "mean of 20", "pandas", 20, lambda close: pd.Series(close).rolling(20).mean().to_numpy()
    yield "deviation of 20", "pandas", 20, lambda close: pd.Series(close).rolling(20).std().to_numpy()
    yield "mean of 20", "TA-Lib", 20, lambda close: talib.SMA(close, 20)
    yield "deviation of 20", "TA-Lib", 20, lambda close: talib.STDDEV(close, 20)
    yield "RSI 14", "TA-Lib", 513, lambda close: talib.RSI(close, 14)
    yield "MACD 12, 26, 9", "TA-Lib", 767, lambda close: talib.MACD(close, 12, 26, 9)[2]
    if find_spec("wickra"):
        wickra = import_module("wickra")
        yield "mean of 20", "wickra", 20, lambda close: np.asarray(wickra.SMA(20).batch(close))
        yield "deviation of 20", "wickra", 20, lambda close: np.asarray(wickra.StdDev(20).batch(close))
        yield "exponential mean of 26", "wickra", 512, lambda close: np.asarray(wickra.EMA(26).batch(close))
        yield "RSI 14", "wickra", 513, lambda close: np.asarray(wickra.RSI(14).batch(close))
    if find_spec("quantwave"):
        quantwave = import_module("quantwave")
        yield "mean of 20", "quantwave", 20, lambda close: np.asarray(quantwave.sma(20, close))
        yield "exponential mean of 26", "quantwave", 512, lambda close: np.asarray(quantwave.ema(26, close))
        yield "RSI 14", "quantwave", 513, lambda close: np.asarray(quantwave.rsi(14, close))


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least of three measurements."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(7)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.002, BARS))), 2)
    print(
        f"{BARS:,} bars; the later history begins {LATER:,} bars later, and values count from its first full window.\n"
    )
    print("| value | by | CPU seconds a million bars | values with other bits in the later history |")
    print("| --- | --- | --- | --- |")
    for value, by, bars, compute in sorted(methods(), key=lambda method: method[0]):
        seconds = cpu_seconds(lambda compute=compute: compute(close))  # type: ignore[misc] # the loop's own.
        whole, later = compute(close), compute(close[LATER:])
        known = whole[LATER + bars - 1 :], later[bars - 1 :]
        other = int((known[0].view(np.int64) != known[1].view(np.int64)).sum())
        print(f"| {value} | {by} | {seconds * 1e6 / BARS:.4f} | {other:,} of {len(known[0]):,} |")
    if missing := [name for name in CONTROLS if not find_spec(name)]:
        print(f"\nLeft out: {' and '.join(missing)}, not installed.")


if __name__ == "__main__":
    main()
