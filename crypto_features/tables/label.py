"""Labels: what the bars after a bar made of it, and when that was known.

A horizon is a length of time, not a number of bars: a bar that is missing within it was not traded, so the last close
before it stands, and no later bar takes its place. A row whose horizon passes the end of its symbol's data has no
label, whatever happened before that end: to keep the rows that were decided early would keep the fast moves alone.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta

import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.bars import Bars
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.feature import RESERVED
from crypto_features.tables.group import SHORTEST
from crypto_features.tables.order import by_symbol
from crypto_features.tables.raw import RawTable
from crypto_features.tables.types import in_types

AHEAD = ("open", "high", "low", "close")
"""What an expression reads of the horizon as `ahead.<column>`: its bars as one candle."""
PAST_END = "past the end of data"
NO_BAR = "no bar within the horizon"
NO_VALUE = "no value"
_TIME = "event_timestamp"
_RETURN = pl.col("ahead.close") / pl.col("close") - 1
Finer = Callable[[pl.DataFrame], pl.DataFrame] | pl.DataFrame | None
"""Base candles, or what reads them: given `symbol, start, end`, those that open within each of these spans, and
perhaps more; `None` without any."""


@dataclass(frozen=True, eq=False, repr=False)
class Label:
    """What a model learns to predict: a value of the bars after a bar. Only a training set may read it.

    Args:
        name: Name of its column.
        description: Its definition, as documentation shows it.
        unit: Unit of the value.
        bars: The bars that have the label, each at its close.
        horizon: How long after the close of its bar a label looks, such as `"5d"`: a number of whole bars.
        expression: A Polars expression over one row for each bar. A column of the bar goes by its name, and the bars of
            the horizon are one candle: `ahead.open` of the first, `ahead.high`, `ahead.low`, and `ahead.close` of the
            last that exists.

    Raises:
        InputError: if the name is one of the platform's columns, the bars have no prices, or the horizon is not a
            number of whole bars.
        UnknownNameError: if the expression reads a column that is not there.
    """

    name: str
    description: str = ""
    unit: str = ""
    _: KW_ONLY
    bars: Bars | RawTable
    horizon: timedelta | str
    expression: pl.Expr = field(default_factory=lambda: pl.lit(None))

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name in RESERVED:
            raise InputError(f"a label cannot be named {self.name!r}; expected letters, digits and _, such as up_5d.")
        if isinstance(self.bars, RawTable) and not self.bars.has_prices:
            raise InputError(f"{self.name} is a label of {self.bars.name}, which holds no prices; expected bars.")
        if isinstance(self.bars, Bars) or length(self.horizon, f"the horizon of {self.name}") <= timedelta(0):
            self.ahead(SHORTEST)
        self._check()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns: the value, when it was known, what else a kind says, and why there is no value."""
        return (*self._values, self.reason)

    @property
    def known_at(self) -> str:
        """The column that says when the value was known."""
        return f"{self.name}_known_at"

    @property
    def reason(self) -> str:
        """The column that says why a row has no label; null where it has one."""
        return f"{self.name}_reason"

    def bar(self, base: timedelta) -> timedelta:
        """Length of its bars.

        Args:
            base: Length of a base candle.
        """
        return self.bars.bar(base)

    def ahead(self, interval: timedelta) -> timedelta:
        """How long after a bar's close it looks.

        Args:
            interval: Length of a base candle.

        Raises:
            InputError: if that is not a number of whole bars.
        """
        horizon, bar = length(self.horizon, f"the horizon of {self.name}"), self.bar(interval)
        if horizon <= timedelta(0) or horizon % bar:
            raise InputError(
                f"{self.name} declares horizon={str(self.horizon)!r}; expected a number of whole bars of "
                f"{self.bars.name}, which are {bar} long."
            )
        return horizon

    def lookback(self, interval: timedelta) -> timedelta:  # noqa: ARG002 - kinds that look back override it.
        """How long before a row its bars are needed.

        Args:
            interval: Length of a base candle.
        """
        return timedelta(0)

    def compute(
        self, bars: pl.DataFrame, finer: Finer, interval: timedelta, ends: Mapping[str, datetime] | None = None
    ) -> pl.DataFrame:
        """The label of each bar.

        Args:
            bars: Rows of `bars`: those that are labelled, and what lies `lookback` before and `ahead` after them.
            finer: Base candles, which decide what one bar leaves open. A plain expression does not read them.
            interval: Length of a base candle.
            ends: When the last bar of each symbol closes, if these bars are only a part of its data.

        Returns:
            One row for each bar, by symbol and time: `symbol`, `event_timestamp` (the close of the bar) and `columns`.
            `<name>_known_at` is the close of the bar that decided, or the end of the horizon. Where there is no label,
            `<name>_reason` says why.

        Raises:
            InputError: if a symbol has two bars that open at one time, or the horizon is not a number of whole bars.
        """
        bar, horizon = self.bar(interval), self.ahead(interval)
        rows = by_symbol(in_types(self.bars.name, bars), "open_time")
        _refuse_twice(self.bars.name, rows)
        closed = rows.with_columns((pl.col("open_time") + bar).alias(_TIME))
        labelled = self._labelled(pl.concat([closed, _ahead(rows, bar, horizon)], how="horizontal"), finer, interval)
        given = pl.col("symbol").replace_strict(ends or {}, default=None, return_dtype=TIME)
        end = pl.coalesce(given, pl.col(_TIME).max().over("symbol"))
        value = pl.col(self.name)
        some = value.is_finite() if labelled[self.name].dtype.is_float() else value.is_not_null()
        labelled = labelled.with_columns(
            pl.when(pl.col(_TIME) + horizon > end)
            .then(pl.lit(PAST_END))
            .when(pl.col("ahead.close").is_null())
            .then(pl.lit(NO_BAR))
            .otherwise(pl.coalesce(self.reason, pl.when(~some.fill_null(value=False)).then(pl.lit(NO_VALUE))))
            .alias(self.reason)
        )
        return labelled.select(
            "symbol",
            _TIME,
            *(pl.when(pl.col(self.reason).is_null()).then(pl.col(name)).alias(name) for name in self._values),
            self.reason,
        )

    @property
    def _values(self) -> tuple[str, ...]:
        """The columns that are null without a label."""
        return (self.name, f"{self.name}_known_at")

    def _check(self) -> None:
        read = self.expression.meta.root_names()
        if not read:
            raise InputError(f"{self.name} reads no column of the bars; give it an expression that does.")
        there = ("symbol", "open_time", *self.bars.columns, *(f"ahead.{name}" for name in AHEAD))
        if unknown := [name for name in read if name not in there]:
            raise UnknownNameError(f"column that {self.name} reads", unknown[0], there)

    def _labelled(self, rows: pl.DataFrame, finer: Finer, interval: timedelta) -> pl.DataFrame:  # noqa: ARG002 - kinds that read finer candles override it.
        """The rows with the label's columns, as if no row had a reason to be without."""
        known = (pl.col(_TIME) + self.ahead(interval)).alias(f"{self.name}_known_at")
        none = pl.lit(None, pl.String).alias(self.reason)
        return rows.with_columns(self.expression.alias(self.name), known, none)


def forward_return(name: str, *, bars: Bars | RawTable, horizon: timedelta | str, description: str = "") -> Label:
    """The simple return from a bar's close to the last close within the horizon.

    Args:
        name: Name of its column.
        bars: The bars that have the label.
        horizon: How long after the close it looks, such as `"5d"`.
        description: Its definition, as documentation shows it.
    """
    said = description or f"Last close within {horizon} over the close, − 1."
    return Label(name, said, "ratio", bars=bars, horizon=horizon, expression=_RETURN)


def direction(
    name: str, *, bars: Bars | RawTable, horizon: timedelta | str, dead_band: float = 0.0, description: str = ""
) -> Label:
    """The sign of the forward return: 1 or -1 beyond the dead band, 0 within it.

    Args:
        name: Name of its column.
        bars: The bars that have the label.
        horizon: How long after the close it looks, such as `"5d"`.
        dead_band: The return up to which, up or down, the price counts as unchanged.
        description: Its definition, as documentation shows it.

    Raises:
        InputError: if the dead band is negative.
    """
    if not 0 <= dead_band < math.inf:
        raise InputError(f"{name} declares dead_band={dead_band}; expected a return of 0 or more, such as 0.01.")
    said = description or f"Sign of the return within {horizon}; 0 if it is at most {dead_band:g} up or down."
    sign = pl.when(_RETURN.abs() > dead_band).then(_RETURN.sign()).otherwise(0.0).cast(pl.Int8)
    return Label(name, said, "-1, 0 or 1", bars=bars, horizon=horizon, expression=sign)


def _ahead(rows: pl.DataFrame, bar: timedelta, horizon: timedelta) -> pl.DataFrame:
    """The bars within the horizon after each row, as one candle; null where there are none."""
    if not len(rows):
        return pl.DataFrame(schema={f"ahead.{name}": pl.Float64() for name in AHEAD})
    within = rows.rolling("open_time", period=horizon, offset=bar, closed="left", group_by="symbol")
    of = {"open": pl.Expr.first, "high": pl.Expr.max, "low": pl.Expr.min, "close": pl.Expr.last}
    candle = within.agg(of[name](pl.col(name)).alias(f"ahead.{name}") for name in AHEAD)
    candle = by_symbol(candle, "open_time")  # rolling gives the symbols in an order of its own.
    return candle.select(f"ahead.{name}" for name in AHEAD)


def _refuse_twice(table: str, rows: pl.DataFrame) -> None:
    twice = rows.filter((pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("open_time").diff() == timedelta(0)))
    if len(twice):
        symbol, time = twice["symbol"][0], twice["open_time"][0]
        raise InputError(f"{table} has two bars of {symbol} that open at {time:%Y-%m-%d %H:%M}; pass each bar once.")
