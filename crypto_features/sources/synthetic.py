"""A synthetic market: hourly candles that are the same forever, on every machine.

Every random number is a function of the seed, a name and the hour's own number (SplitMix64: Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", 2014): it depends on no range, no clock and no library's generator.
Returns are whole numbers of 2**-40 before they are summed, and only correctly rounded operations follow, so prices do
not depend on a mathematical library either.

Volatility is a product of levels that last from six hours to two months (Calvet and Fisher, "Multifractality in asset
returns", 2002); drift comes from a bull, bear or sideways regime that all symbols share.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

SEED = 20240101
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Asset:
    """One symbol of the market: price at the epoch, decimals of its tick, ties to the market, size, and listing."""

    symbol: str
    price: float
    decimals: int
    beta: float
    noise: float
    volume: float
    listed: datetime = EPOCH


ASSETS = {
    asset.symbol: asset
    for asset in (
        Asset("BTC", 42000.0, 2, 1.0, 0.0015, 900.0),
        Asset("ETH", 2300.0, 2, 1.15, 0.0030, 9000.0),
        Asset("XRP", 0.62, 4, 1.1, 0.0060, 14e6),
        Asset("TRX", 0.108, 5, 0.6, 0.0040, 12e6),
        Asset("ADA", 0.6, 4, 1.25, 0.0055, 7e6),
        Asset("DOGE", 0.091, 5, 1.3, 0.0080, 35e6),
        Asset("SOL", 101.0, 2, 1.4, 0.0070, 160e3),
        Asset("AVAX", 27.5, 2, 1.45, 0.0070, 60e3, datetime(2024, 9, 17, 6, tzinfo=UTC)),
    )
}

OUTAGES = (  # The whole market is silent: first missing hour, hours.
    (datetime(2024, 2, 8, 0, tzinfo=UTC), 33),
    (datetime(2024, 5, 14, 3, tzinfo=UTC), 4),
    (datetime(2024, 11, 6, 15, tzinfo=UTC), 2),
    (datetime(2025, 4, 15, 8, tzinfo=UTC), 6),
)
WICK = ("XRP", datetime(2024, 8, 5, 6, tzinfo=UTC), 0.02)  # A low of 2 % of the candle's close.

_ALWAYS_TRADED = ("BTC", "ETH")  # no random gap: a demonstration of these is never blank.
_GAP_ODDS, _SILENT_ODDS = 2500, 3000
_MARKET_NOISE = 0.0045
_DRIFT = 0.0003
_REGIME_HOURS = 240
_REGIME_REACH = 6
_LEVEL_HOURS = (6, 24, 96, 384, 1536)
_LEVEL_SWING = 0.3
_EXP2 = [0.6931471805599453**k / float(np.prod(range(1, k + 1), dtype=np.float64)) for k in range(13)]


@lru_cache(maxsize=32)
def candles(symbol: str, years: int) -> pl.DataFrame:
    """Every candle of one symbol in the first `years` years from the epoch, in `CANDLE_SCHEMA` but `completeness`.

    >>> candles("BTC", 1).select("symbol", "open", "close").row(0)
    ('BTC', 42000.0, 42002.76)
    """
    asset, hours = ASSETS[symbol], years * 8784
    index = np.arange(hours, dtype=np.uint64)
    market, levels = _market(hours)
    levels = levels * _levels(symbol, index)
    silent = _words(symbol, "silent", index) % np.uint64(_SILENT_ODDS) == 0
    shock = _normal(symbol, "return", index)
    steps = np.where(silent, 0.0, asset.beta * market + asset.noise * levels * shock)
    path = np.cumsum(np.rint(steps * 2.0**40).astype(np.int64)).astype(np.float64) * 2.0**-40
    close = asset.price * _exp2(path)
    opened = np.concatenate([[asset.price], close[:-1]])
    reach = 0.6 * (_MARKET_NOISE * asset.beta + asset.noise) * levels
    reach = np.where(silent, 0.0, reach)
    high = np.maximum(opened, close) * _exp2(reach * np.abs(_normal(symbol, "high", index)))
    low = np.minimum(opened, close) * _exp2(-reach * np.abs(_normal(symbol, "low", index)))
    if symbol == WICK[0]:
        hour = (WICK[1] - EPOCH) // HOUR
        low[hour] = close[hour] * WICK[2]
    bustle = levels * (0.5 + np.abs(shock)) * _exp2(0.5 * _normal(symbol, "volume", index))
    volume = np.where(silent, 0.0, np.maximum(np.rint(asset.volume * bustle * 1000) / 1000, 0.001))
    tick = 10.0**asset.decimals
    present = np.ones(hours, dtype=bool)
    present[: (asset.listed - EPOCH) // HOUR] = False
    for start, length in OUTAGES:
        first = (start - EPOCH) // HOUR
        present[first : first + length] = False
    if symbol not in _ALWAYS_TRADED:
        present &= _words(symbol, "gap", index) % np.uint64(_GAP_ODDS) != 0
    return pl.DataFrame(
        {
            "symbol": pl.repeat(symbol, hours, eager=True),
            "open_time": pl.datetime_range(
                EPOCH, EPOCH + hours * HOUR, HOUR, closed="left", time_unit="us", time_zone="UTC", eager=True
            ),
            **{
                name: np.maximum(np.rint(values * tick), 1.0) / tick
                for name, values in (("open", opened), ("high", high), ("low", low), ("close", close))
            },
            "volume": volume,
        }
    ).filter(pl.Series(present))


@lru_cache(maxsize=4)
def _market(hours: int) -> tuple[Floats, Floats]:
    """The return that all symbols share, in powers of two, and the volatility that they share."""
    index = np.arange(hours, dtype=np.uint64)
    levels = _levels("market", index)
    return _regime_drift(hours) + _MARKET_NOISE * levels * _normal("market", "return", index), levels


def _regime_drift(hours: int) -> Floats:
    """Drift an hour: a regime of +1, 0 or -1 lasts with odds of 3 in 4; their sum is kept within reach."""
    blocks = hours // _REGIME_HOURS + 1
    words = _words("market", "regime", np.arange(blocks, dtype=np.uint64))
    regime, height, regimes = 1, 0, []
    for word in words.tolist():
        if word % 4 == 0:
            regime = (-1, 0, 1)[(word >> 8) % 3]
        if abs(height + regime) > _REGIME_REACH:
            regime = -regime
        height += regime
        regimes.append(regime)
    return np.repeat(np.array(regimes, dtype=np.float64) * _DRIFT, _REGIME_HOURS)[:hours]


def _levels(name: str, index: Words) -> Floats:
    product = np.ones(len(index))
    for length in _LEVEL_HOURS:
        high = _words(name, f"level {length}", index // np.uint64(length)) >> np.uint64(63)
        product = product * np.where(high == 1, 1 + _LEVEL_SWING, 1 - _LEVEL_SWING)
    return product


def _normal(name: str, purpose: str, index: Words) -> Floats:
    """Sum of twelve uniform numbers of 16 bits: mean 0, variance 1, and exact."""
    total = np.zeros(len(index), dtype=np.int64)
    for word in range(3):
        words = _words(name, f"{purpose} {word}", index)
        for shift in (0, 16, 32, 48):
            total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return (total - 6 * 0xFFFF).astype(np.float64) * 2.0**-16


def _words(name: str, purpose: str, index: Words) -> Words:
    """SplitMix64 at the counters `index`, from a state that the seed and the names decide."""
    key = hashlib.blake2b(f"{SEED}/{name}/{purpose}".encode(), digest_size=8).digest()
    z = np.uint64(int.from_bytes(key, "little")) + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _exp2(x: Floats) -> Floats:
    """2**x by a power series on the fraction: multiplications and additions alone give the same bits anywhere."""
    whole = np.rint(x)
    fraction = x - whole
    series = np.full_like(fraction, _EXP2[-1])
    for coefficient in reversed(_EXP2[:-1]):
        series = series * fraction + coefficient
    return np.ldexp(series, whole.astype(np.int32))
