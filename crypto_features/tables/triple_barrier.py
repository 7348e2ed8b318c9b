"""The triple-barrier label: which comes first, a profit, a stop, or the end of the holding time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from crypto_features.compute.barriers import BOTH, LOWER, NEITHER, UPPER, Index, Prices, Side, first_touch, ranges
from crypto_features.compute.doubling import Array
from crypto_features.compute.indicators import volatility
from crypto_features.errors import InputError
from crypto_features.tables.bars import Bars
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.label import Finer, Label
from crypto_features.tables.order import by_symbol
from crypto_features.tables.raw import RawTable
from crypto_features.tables.reach import span, spells, within_reach
from crypto_features.tables.types import in_types

NO_VOLATILITY = "no volatility yet, or none at all"
UNDECIDED = "both barriers within one candle"
_VOLATILITY = "volatility"


@dataclass(frozen=True, eq=False, repr=False)
class TripleBarrier(Label):
    """Which barrier the price reaches first: 1 for the upper one, -1 for the lower one, 0 for neither in time.

    `<name>_return` is the return at that time: to the barrier, to the open of a bar that opens beyond it, or to the
    last close within the horizon. Source: Marcos López de Prado, Advances in Financial Machine Learning, 2018,
    chapter 3.

    Args:
        profit: The upper barrier, as a multiple of the volatility above the close; `None` without one.
        stop: The lower barrier, as a multiple of the volatility below the close; `None` without one.
        window: Bars of the volatility: the sample standard deviation of so many one-bar returns up to the close.

    Raises:
        InputError: as `Label`; also if there is neither barrier, one is not above 0, or the window is below 2 bars.
    """

    profit: float | None = 1.0
    stop: float | None = 1.0
    window: int = 20

    def lookback(self, interval: timedelta) -> timedelta:
        """How far back its volatility reads.

        Args:
            interval: Length of a base candle.
        """
        return span(self.window + 1, self.bar(interval))

    @property
    def columns(self) -> tuple[str, ...]:
        """The label, when it was known, the return, whether both barriers lie within one candle, and the reason."""
        return (*self._values, f"{self.name}_undecided", self.reason)

    def compute(
        self, bars: pl.DataFrame, finer: Finer, interval: timedelta, ends: Mapping[str, datetime] | None = None
    ) -> pl.DataFrame:
        """The label of each bar, as `Label.compute` gives it.

        A bar that holds both barriers is decided by the base candles within it. If one of them holds both, or none of
        them is there, `<name>_undecided` is true and there is no label.
        """
        undecided = (pl.col(self.reason) == UNDECIDED).fill_null(value=False).alias(f"{self.name}_undecided")
        rows = super().compute(bars, finer, interval, ends).with_columns(undecided)
        return rows.select("symbol", "event_timestamp", *self.columns)

    @property
    def _values(self) -> tuple[str, ...]:
        return (*super()._values, f"{self.name}_return")

    def _check(self) -> None:
        multiples = [multiple for multiple in (self.profit, self.stop) if multiple is not None]
        if not multiples or not all(0 < multiple < math.inf for multiple in multiples):
            raise InputError(
                f"{self.name} declares profit={self.profit} and stop={self.stop}; expected multiples of the volatility "
                "above 0, or None for one of them."
            )
        if self.window < 2:  # noqa: PLR2004 - one return has no deviation.
            raise InputError(f"{self.name} declares window={self.window}; expected 2 bars or more.")

    def _labelled(self, rows: pl.DataFrame, finer: Finer, interval: timedelta) -> pl.DataFrame:
        bar, close = self.bar(interval), rows["close"].to_numpy()
        width = _volatility(rows, self.window, bar).to_numpy()
        width = np.where(width > 0, width, np.nan)  # a market that does not move would reach both at once.
        upper = close * (1 + width * (math.inf if self.profit is None else self.profit))
        lower = close * (1 - width * (math.inf if self.stop is None else self.stop))
        spans = rows.select("symbol", start="event_timestamp", end=pl.col("event_timestamp") + self.ahead(interval))
        found = _touched(rows, spans, upper, lower, bar)
        tied = np.flatnonzero(found.side == BOTH)
        if len(tied) and bar > interval:
            until = pl.Series(found.closed[tied]).cast(TIME)
            within = rows[tied].select("symbol", start=until - bar, end=until)
            candles = finer(within.unique(maintain_order=True)) if callable(finer) else finer
            if candles is not None and len(candles):
                candles = by_symbol(in_types("base candles", candles), "open_time")
                found.decided_by(tied, _touched(candles, within, upper[tied], lower[tied], interval))
        touched = np.isin(found.side, (UPPER, LOWER))
        held = spans["end"].to_physical().to_numpy()
        flat = rows["ahead.close"].to_numpy() / close - 1
        reason = np.where(np.isnan(width), NO_VOLATILITY, np.where(found.side == BOTH, UNDECIDED, ""))
        return rows.with_columns(
            pl.Series(self.name, np.where(touched, found.side, 0), pl.Int8),
            pl.Series(f"{self.name}_known_at", np.where(touched, found.closed, held)).cast(TIME),
            pl.Series(f"{self.name}_return", np.where(touched, found.price / close - 1, flat), nan_to_null=True),
            pl.Series(self.reason, reason, pl.String).replace("", None),
        )


def triple_barrier(
    name: str,
    *,
    bars: Bars | RawTable,
    horizon: timedelta | str,
    profit: float | None = 1.0,
    stop: float | None = 1.0,
    window: int = 20,
    description: str = "",
) -> TripleBarrier:
    """Which barrier the price reaches first: 1 for the upper one, -1 for the lower one, 0 for neither in time.

    Args:
        name: Name of its column.
        bars: The bars that have the label.
        horizon: The longest holding time, such as `"10d"`.
        profit: The upper barrier, as a multiple of the volatility above the close; `None` without one.
        stop: The lower barrier, as a multiple of the volatility below the close; `None` without one.
        window: Bars of the volatility, a sample standard deviation of one-bar returns up to the close.
        description: Its definition, as documentation shows it.

    Raises:
        InputError: if there is neither barrier, one is not above 0, or the window is below 2 bars.
    """
    levels = [f"{m:g} σ {way}" for m, way in ((profit, "up"), (stop, "down")) if m is not None]
    said = description or f"First of {', '.join(levels)} and {horizon}; σ of {window} one-bar returns."
    return TripleBarrier(name, said, "-1, 0 or 1", bars=bars, horizon=horizon, profit=profit, stop=stop, window=window)


class _Touched(NamedTuple):
    """Of each row the barrier that was touched, when the bar closed that did, in microseconds, and at which price."""

    side: Side
    closed: Index
    price: Array

    def decided_by(self, rows: Index, other: "_Touched") -> None:
        """Take over what the finer candles of some rows say; where they touch nothing, both barriers stay possible."""
        self.side[rows] = np.where(other.side == NEITHER, BOTH, other.side)
        self.closed[rows], self.price[rows] = other.closed, other.price


def _touched(candles: pl.DataFrame, spans: pl.DataFrame, upper: Array, lower: Array, length: timedelta) -> _Touched:
    """Which barrier the candles that open within each span touch first; a gap is filled at the open."""
    lengths, symbols = candles["symbol"].rle().struct.unnest().select("len", "value")
    starts = np.concatenate([[0], lengths.cum_sum().to_numpy()]).astype(np.int64)
    places = pl.Series(range(len(symbols)), dtype=pl.Int64)
    place = spans["symbol"].replace_strict(symbols, places, default=-1, return_dtype=pl.Int64).to_numpy()
    times, since, until = (c.to_physical().to_numpy() for c in (candles["open_time"], spans["start"], spans["end"]))
    prices = Prices(*(candles[name].to_numpy() for name in Prices._fields))
    at, side = first_touch(prices, upper, lower, *ranges(starts, times, since, until, place))
    opened = prices.open[at]
    price = np.where(
        side == UPPER, np.maximum(opened, upper), np.where(side == LOWER, np.minimum(opened, lower), np.nan)
    )
    return _Touched(side, times[at] + length // timedelta(microseconds=1), price)


def _volatility(rows: pl.DataFrame, window: int, bar: timedelta) -> pl.Series:
    """The volatility up to each row's close; null where its window lacks too much."""
    time, columns = "event_timestamp", [(_VOLATILITY, window + 1)]
    computed = (spell.with_columns(volatility(window).alias(_VOLATILITY)) for spell in spells(rows, time))
    return pl.concat(within_reach(spell, time, bar, columns) for spell in computed)[_VOLATILITY]
