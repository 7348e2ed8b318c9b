"""Longer bars, resampled from the candles of a shorter one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import polars as pl

from crypto_features.compute.resample import resample, waits_until
from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.raw import CANDLE, RawTable
from crypto_features.tables.read import Reader, Terms
from crypto_features.tables.table import Join, Sources, Table

DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False, repr=False)
class Bars(Table):
    """Bars that are over, each symbol by itself, from the candles that exist; nothing is interpolated or filled.

    Args:
        name: Name of the table.
        of: The candles.
        every: Length of a bar, such as `"4h"`; it must divide a day.
        description: What it holds.
        project: The project that computes them, if that is another one than the catalog's.

    Raises:
        InputError: if bars of that length do not begin with each day, or it is not made of candles.
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
        if self.bar(DAY) <= timedelta(0) or DAY % self.bar(DAY):
            raise InputError(
                f"{self.name} declares every={self.every!r}, which does not divide a day; expected such as 4h."
            )

    @property
    def inputs(self) -> tuple[Join, ...]:
        """The candles of the month."""
        return (Join(self.of, timedelta(0)),)

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

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:
        """The bars of a month that are over."""
        candles = read(self.of.name, [month], None, symbols)
        return resample(candles, terms.interval, self.bar(terms.interval), as_of=terms.now, wait=terms.wait)

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
        """Every bar that is over by its symbol's last candle."""
        return resample(inputs[self.of.name], interval, self.bar(interval))

    def due(self, read: Reader, month: str, terms: Terms) -> datetime | None:
        """When a bar will be over that lacks candles now."""
        candles = read(self.of.name, [month], None, None)
        return waits_until(candles, terms.interval, self.bar(terms.interval), as_of=terms.now, wait=terms.wait)
