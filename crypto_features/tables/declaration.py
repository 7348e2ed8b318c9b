"""What a feature is: a function from the candles known at a time to one value at that time.

Everything else about a feature (its table column, Feast field, Dagster metadata, lineage, version and tests) is derived
from the declaration.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.cross_sections import refuse_cross_sections
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
        window: Bars of the first input that a value needs: it is null until there are so many.
        lookback: How far back it reads by the calendar, if its window is no number of bars (month to date, 20 calendar
            days): bars that closed within this time before it decide its value, however few they are.
        recursive: The value keeps a fading trace of bars before its window (exponential smoothing); the trace is gone
            after the group's lookback.
        bounds: Least and greatest value that its definition can give, both included; `None` if it has none. They are
            checked before anything downstream is published, and are no part of its version.
        sources: What a group's function reads to compute it, as `(table, column)`; expressions tell it themselves.

    Raises:
        InputError: if Feast holds no values of the type.
    """

    name: str
    expression: pl.Expr | None
    description: str
    unit: str
    dtype: Dtype = pl.Float64
    window: int = 1
    recursive: bool = False
    bounds: Bounds | None = None
    sources: tuple[tuple[str, str], ...] = ()
    lookback: timedelta | None = None

    def __post_init__(self) -> None:
        column_type(self.name, self.dtype)

    @property
    def column_type(self) -> pl.DataType:
        """Type of the column in full, such as `Datetime("us", "UTC")` of `pl.Datetime`."""
        return column_type(self.name, self.dtype)

    @property
    def range(self) -> str:
        """Its bounds as documentation shows them; empty without any."""
        if self.bounds is None:
            return ""
        low, high = self.bounds
        if high < math.inf:
            return f"{low:g} to {high:g}"
        return "more than 0" if self.bounds == POSITIVE else f"{low:g} or more"


@dataclass(frozen=True)
class Input:
    """A table that a group reads.

    Args:
        table: `candles`, `daily_candles`, `regime_model` or the name of another group.
        lookback: How long before the start of a partition its rows are needed. A joined row is always younger. A symbol
            that was away for longer begins anew: its values are null until their windows are full again.
        columns: Columns computed from the table's own rows of one symbol, in time order, before it is joined.
    """

    table: str
    lookback: timedelta
    columns: Mapping[str, pl.Expr] = field(default_factory=dict)


_LENGTHS = {"candles": None, "daily_candles": timedelta(days=1)}
"""Length of the bars of the tables that are not groups."""


def _bar(source: Input, base: timedelta) -> timedelta:
    return _LENGTHS.get(source.table) or base


@dataclass(frozen=True)
class FeatureGroup:
    """The features that share bars, inputs and a time to live: one table, one Feast view, one asset.

    Args:
        name: Name of the table, the view and the asset.
        description: What the group is for.
        interval: Length of its bars; `None` for the base interval of the platform, a day for `daily_candles`.
        ttl: How old a value may be when it is used; `None` for the length of a bar.
        inputs: Tables it reads. The first holds the bars: the table has one row for each of its rows. For expressions,
            the others are joined to it as of the bar's open: what was known when the bar began.
        features: Its columns.
        function: Computes `symbol`, `event_timestamp` and every column of the group from the input tables, in place of
            expressions.
        completeness: Share of its candles, 0 to 1, that a bar needs: the row of a bar with less has no values. `None`
            for what CRYPTO_FEATURES_MIN_COMPLETENESS says.

    Raises:
        InputError: if two features have one name, one has that of a column of the bars, or one has neither an
            expression nor, in a group with a function, its sources; if a joined input has no lookback, the bars are not
            as long as the first input's, a value would be too old before the next one comes, an expression compares
            symbols, or `completeness` is not a share.
    """

    name: str
    description: str
    interval: timedelta | None
    ttl: timedelta | None
    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    function: Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame] | None = None
    completeness: float | None = None

    def __post_init__(self) -> None:
        if self.completeness is not None and not 0 <= self.completeness <= 1:
            raise InputError(f"{self.name} declares completeness={self.completeness}; expected a share, 0 to 1.")
        names = [feature.name for feature in self.features]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"{self.name} declares two features {twice[0]!r}; give one of them another name.")
        if taken := sorted(name for name in names if name in RESERVED or re.fullmatch(r"completeness_\d+", name)):
            raise InputError(
                f"{self.name} declares a feature {taken[0]!r}, which is a column of its bars; give it another name, "
                f"such as {taken[0]}_value."
            )
        self._check_bars()
        if self.interval is not None:
            self.time_to_live(self.interval)
        shortest = self.interval or timedelta(minutes=1)
        for f in self.features:
            if f.expression is not None:
                refuse_cross_sections(f"{self.name}.{f.name}", f.expression, shortest)
        for source in self.inputs:
            for column, expression in source.columns.items():
                refuse_cross_sections(f"{self.name}'s {source.table}.{column}", expression, _bar(source, shortest))
        self._check_sources()
        if without := [source.table for source in self.inputs[1:] if source.lookback <= timedelta(0)]:
            raise InputError(
                f"{self.name} joins {without[0]} with a lookback of 0, so no row is ever young enough; give it one."
            )

    def _check_sources(self) -> None:
        for feature in self.features:
            if feature.expression is None and self.function is None:
                raise InputError(
                    f"{self.name}.{feature.name} has no expression, and {self.name} declares no function: give it an "
                    "expression."
                )
            if feature.expression is None and not feature.sources:
                raise InputError(
                    f"{self.name}.{feature.name} is computed by a function and does not say from what; declare its "
                    f'sources, such as sources=(("{self.inputs[0].table}", "close"),): lineage and the plan read them.'
                )

    def _check_bars(self) -> None:
        if self.inputs:
            self.check_bars(self.inputs[0].table, _LENGTHS.get(self.inputs[0].table, self.interval))

    def check_bars(self, table: str, length: timedelta | None) -> None:
        """Whether the group's bars are as long as those of its first input.

        Raises:
            InputError: if they are not.
        """
        if length != self.interval:
            raise InputError(
                f"{self.name} declares interval={self.interval}, and {table}, its first input, has bars of "
                f"{length or 'the base interval'}: declare interval={length!r}. Bars of another length than the first "
                "input's are not possible yet."
            )

    def time_to_live(self, interval: timedelta) -> timedelta:
        """How old a value may be when it is used.

        Args:
            interval: Length of a base candle.

        Raises:
            InputError: if a value would be too old before the next one comes.
        """
        bar = self.interval or interval
        if self.ttl is not None and timedelta(0) != self.ttl < bar:
            raise InputError(
                f"{self.name} declares ttl={self.ttl}, shorter than its bars of {bar}: a value would expire before the "
                "next one comes. Declare ttl=None for the length of a bar, or a longer time."
            )
        return bar if self.ttl is None else self.ttl

    def feature(self, name: str) -> Feature:
        """The feature of that name.

        Raises:
            UnknownNameError: if the group has none.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise UnknownNameError(f"feature of {self.name}", name, (f.name for f in self.features))


@dataclass(frozen=True)
class FeatureService:
    """A named choice of features that a model or a bot reads together.

    Args:
        name: Name of the Feast feature service.
        description: Who reads it and what for.
        features: Feature names by group, in reading order.
        versions: Groups of which it keeps reading an older version, with the number that
            `feast feature-views list-versions` shows.
    """

    name: str
    description: str
    features: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int] = field(default_factory=dict)
