"""Longer bars, resampled from the candles of a shorter one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import polars as pl

from crypto_features.compute.resample import WEEK, opens, resample, waits_until
from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.months import month_span
from crypto_features.tables.raw import CANDLE, RawTable
from crypto_features.tables.read import Read, Reader, Terms
from crypto_features.tables.table import Join, Sources, Table

DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False, repr=False)
class Bars(Table):
    """Bars that are over, each symbol by itself, from the candles that exist; nothing is interpolated or filled.

    A bar is kept with the month in which it opens. Weeks begin on Mondays at 00:00 UTC; one that opens in a month may
    close in the next.

    Args:
        name: Name of the table.
        of: The candles.
        every: Length of a bar, such as `"4h"`, which must divide a day, or `"1w"`; a base candle must divide it.
        description: What it holds.
        project: The project that computes them, if that is another one than the catalog's.

    Raises:
        InputError: if it is not made of candles, or its bars are not weeks and do not begin with each day.
    """

    name: str
    of: RawTable
    every: timedelta | str
    description: str = ""
    project: str | None = None
    time: ClassVar[str] = "open_time"

    def __post_init__(self) -> None:
        if not self.of.has_prices:
            raise InputError(f"{self.name} is made of {self.of.name}, which holds no prices; expected candles.")
        if self.bar(DAY) != WEEK and (self.bar(DAY) <= timedelta(0) or DAY % self.bar(DAY)):
            raise InputError(
                f"{self.name} declares every={self.every!r}, which does not divide a day and is not a week; expected "
                "such as 4h, 1d or 1w."
            )

    @property
    def inputs(self) -> tuple[Join, ...]:
        """The candles."""
        return (Join(self.of, timedelta(0)),)

    def reads(self, interval: timedelta) -> tuple[Read, ...]:
        """The candles of the month; of weeks also those of the next month, in which the last one closes."""
        ahead = WEEK - DAY if self.early(interval) else timedelta(0)
        return (Read(self.of.name, timedelta(0), ahead=ahead),)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a candle; `completeness` is the share of its candles that a bar has."""
        return CANDLE

    @property
    def sources(self) -> Sources:
        """Each column from that of the candles."""
        return {name: ((self.of.name, "open_time" if name == "completeness" else name),) for name in CANDLE}

    def bar(self, _base: timedelta) -> timedelta:
        """Length of a bar."""
        return length(self.every, f"the length of {self.name}")

    def early(self, base: timedelta) -> timedelta:
        """A week, of weeks: they may open in one month and close in the next."""
        return WEEK if self.bar(base) == WEEK else timedelta(0)

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:
        """The bars that open in a month and are over."""
        candles = self._candles(read, month, symbols, terms)
        bars = resample(candles, terms.interval, self.bar(terms.interval), as_of=terms.now, wait=terms.wait)
        return bars.filter(
            pl.col("open_time") < month_span(month)[1]
        )  # a later one may show that the last one is over.

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
        """Every bar that is over by its symbol's last candle."""
        return resample(inputs[self.of.name], interval, self.bar(interval))

    def due(self, read: Reader, month: str, terms: Terms) -> datetime | None:
        """When a bar will be over that lacks candles now."""
        candles = self._candles(read, month, None, terms)
        length, (_, end) = self.bar(terms.interval), month_span(month)
        return waits_until(candles, terms.interval, length, as_of=terms.now, wait=terms.wait, before=end)

    def _candles(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:
        """The candles that are read, of the bars that open in the month and of later ones."""
        candles = self.reads(terms.interval)[0].rows(read, month, symbols)
        if not self.early(terms.interval) or not candles.width:
            return candles
        return candles.filter(opens(pl.col("open_time"), WEEK) >= month_span(month)[0])
