"""Markets that agree with the one under test up to a cut and differ after it.

Many are computed at once, each as a symbol of its own; the isolation probe shows that symbols do not touch each other.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from crypto_features.tables.dtypes import TIME
from crypto_features.versions.probe_market import probe_day

HORIZON = 40
"""How many days of the altered future a variant keeps."""

OUTAGE = 1.5
"""How many days an outage lasts."""
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Variant:
    """One symbol's market, altered from a cut on (or, for `start`, begun at the cut)."""

    probe: str
    symbol: str
    cut: datetime
    candles: pl.DataFrame
    as_of: datetime


def truncated(candles: pl.DataFrame, symbol: str, cuts: Sequence[datetime], interval: timedelta) -> Iterator[Variant]:
    """Markets that end at the cut."""
    for cut in cuts:
        yield Variant("truncate", symbol, cut, _before(candles, cut, interval), cut)


def perturbed(candles: pl.DataFrame, symbol: str, cuts: Sequence[datetime], interval: timedelta) -> Iterator[Variant]:
    """Markets with other prices and volumes after the cut."""
    wave = (pl.int_range(pl.len()) * 12.9898).sin()
    shaken = [pl.col(name) * (1.3 + wave) for name in _PRICES]
    for cut in cuts:
        after = _after(candles, cut, interval).with_columns(*shaken, pl.col("volume") * (3 + wave) + 1)
        yield Variant(
            "perturb", symbol, cut, pl.concat([_before(candles, cut, interval), after]), _horizon(cut, interval)
        )


def interrupted(candles: pl.DataFrame, symbol: str, cuts: Sequence[datetime], interval: timedelta) -> Iterator[Variant]:
    """Markets with an outage that begins at the cut, and a price a fifth higher after it."""
    for cut in cuts:
        after = _after(candles, cut, interval)
        after = after[_place(after, cut + OUTAGE * probe_day(interval) - timedelta.resolution) :]
        after = after.with_columns(pl.col(_PRICES) * 1.2)
        yield Variant("gap", symbol, cut, pl.concat([_before(candles, cut, interval), after]), _horizon(cut, interval))


def late_starts(candles: pl.DataFrame, symbol: str, starts: Sequence[datetime], end: datetime) -> Iterator[Variant]:
    """Markets whose history begins at the cut."""
    for start in starts:
        yield Variant("start", symbol, start, candles[_place(candles, start - timedelta.resolution) :], end)


def stacked(variants: Sequence[Variant]) -> pl.DataFrame:
    """All variants as one frame: the symbol is the variant's number; `as_of` says how far each market has come."""
    number = pl.Series(np.repeat(np.arange(len(variants)), [len(variant.candles) for variant in variants]))
    as_of = pl.Series([variant.as_of for variant in variants], dtype=TIME).gather(number)
    return pl.concat(variant.candles for variant in variants).with_columns(symbol=number.cast(pl.String), as_of=as_of)


def named(variants: Sequence[Variant]) -> pl.DataFrame:
    """Variants of different symbols as one frame, under their own names."""
    return pl.concat(v.candles.with_columns(as_of=pl.lit(v.as_of).cast(pl.Datetime("us", "UTC"))) for v in variants)


def _before(candles: pl.DataFrame, cut: datetime, interval: timedelta) -> pl.DataFrame:
    return candles[: _place(candles, cut - interval)]


def _after(candles: pl.DataFrame, cut: datetime, interval: timedelta) -> pl.DataFrame:
    horizon = _horizon(cut, interval) - timedelta.resolution
    return candles[_place(candles, cut - interval) : _place(candles, horizon)]


def _place(candles: pl.DataFrame, time: datetime) -> int:
    """How many of the candles, which are by time, open then or earlier."""
    return bisect_right(candles["open_time"], time)


def _horizon(cut: datetime, interval: timedelta) -> datetime:
    return cut + HORIZON * probe_day(interval)
