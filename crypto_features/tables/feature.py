"""What a feature is: a function from the candles known at a time to one value at that time.

Everything else about a feature (its table column, Feast field, Dagster metadata, lineage, version and tests) is derived
from the declaration.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.dtypes import Dtype, column_type

Bounds = tuple[float, float]
POSITIVE: Bounds = (math.ulp(0.0), math.inf)
"""More than 0, as a price is."""
NOT_NEGATIVE: Bounds = (0.0, math.inf)
"""0 or more, as an amount is."""
RESERVED = frozenset(
    {"symbol", "open_time", "event_timestamp", "created_timestamp", "known_at", "month"}
    | {"open", "high", "low", "close", "volume", "completeness"}
)
"""Columns of the bars and of every feature table, which no feature may be named."""


@dataclass(frozen=True)
class Feature:
    """One column of a feature table.

    Args:
        name: Column name, unique in its group.
        expression: A Polars expression over one symbol's input rows in time order; `None` for a group that declares a
            function. A column of the first input goes by its name, one of a joined input by `"<table>.<column>"`,
            another feature of the group by its name.
        description: Its definition, as documentation shows it.
        unit: Unit of the value: `"ratio"`, `"quote currency"`, `"days"`, ...
        dtype: Type of the column: a number, truth value, text, bytes, date or time that Feast holds, or a list of them.
        window: Bars of the first input that decide a value, and nothing before them does.
        warm_up: Bars of the first input without which there is no value, if a value needs fewer than its window, as an
            exponential mean does: until the window is full, every bar there is decides it.
        lookback: How far back it reads by the calendar, if its window is not a number of bars (month to date, 20
            calendar days), such as `"20d"`: bars that closed within this time before it decide its value, however few.
        bounds: Least and greatest value that its definition can give, both included; `None` if it has none. They are
            checked before anything downstream is published, and are no part of its version.
        sources: What a group's function reads to compute it, as `(table, column)`; expressions tell it themselves.

    Raises:
        InputError: if Feast holds no values of the type, or its warm-up is longer than its window.
    """

    name: str
    expression: pl.Expr | None
    description: str
    unit: str
    dtype: Dtype = pl.Float64
    window: int = 1
    warm_up: int = 0
    bounds: Bounds | None = None
    sources: Sequence[tuple[str, str]] = ()
    lookback: timedelta | str | None = None

    def __post_init__(self) -> None:
        column_type(self.name, self.dtype)
        object.__setattr__(self, "sources", tuple(self.sources))
        length(self.lookback or "0s", f"the lookback of {self.name}")
        object.__setattr__(self, "warm_up", self.warm_up or self.window)
        if not 1 <= self.warm_up <= self.window:
            raise InputError(
                f"{self.name} declares warm_up={self.warm_up} and window={self.window}: expected 1 to {self.window} "
                "bars of warm-up, as the bars that a value needs are among those that decide it."
            )

    @property
    def column_type(self) -> pl.DataType:
        """Type of the column in full, such as `Datetime("us", "UTC")` of `pl.Datetime`."""
        return column_type(self.name, self.dtype)

    @property
    def calendar(self) -> timedelta:
        """How far back it reads by the calendar."""
        return length(self.lookback or timedelta(0), self.name)

    @property
    def range(self) -> str:
        """Its bounds as documentation shows them; empty without any."""
        if self.bounds is None:
            return ""
        low, high = self.bounds
        if high < math.inf:
            return f"{low:g} to {high:g}"
        return "more than 0" if self.bounds == POSITIVE else f"{low:g} or more"
