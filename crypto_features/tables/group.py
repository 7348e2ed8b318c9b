"""A feature group: the features that share bars, joined tables and a time to live."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.completeness import COMPLETENESS
from crypto_features.tables.cross_sections import refuse_cross_sections, refuse_windows
from crypto_features.tables.drift import Drift
from crypto_features.tables.feature import RESERVED, Feature
from crypto_features.tables.lineage import columns_read, lineage
from crypto_features.tables.partition import compute_partition, every_row
from crypto_features.tables.read import Read, Reader, Terms
from crypto_features.tables.table import Join, Sources, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORTEST = timedelta(minutes=1)
"""The shortest base candle."""
Compute = Callable[[Mapping[str, pl.DataFrame]], pl.DataFrame]
Plot = Callable[[pl.DataFrame, pl.DataFrame, str], "Figure"]
"""`plot(bars, rows, symbol)`: a matplotlib figure of the newest bars and rows of the table."""


@dataclass(frozen=True, eq=False, repr=False)
class FeatureGroup(Table):
    """The features that share bars, joined tables and a time to live: one table, one Feast view, one asset.

    Args:
        name: Name of the table, the view and the asset.
        description: What the group is for.
        bars: The table that gives a row for each of its rows.
        features: Its columns.
        lookback: How long before the start of a month its function gets bars, such as `"40d"`. Of expressions it
            follows from the windows of the features.
        joins: Further tables. For expressions they are joined to the bars as they were known when a bar opened, or
            closed: each symbol's own rows, or those of one symbol, such as BTC.
        across: `"symbols"` for a cross-section: an expression is evaluated over all symbols of one bar time, and not
            over the bars of one symbol. What looks back along a symbol comes from a joined table or from the columns
            of a join.
        wait: How long `crypto-features live` waits, once the bar of one symbol has closed, for the others that the
            group compares. Then the rows of those that are there are published with the status `PARTIAL`, and again
            when the late ones come. A group waits at least as long as what it joins. No value of its table depends on
            it.
        universe: Which rows take part in a cross-section, such as `pl.col("universe.volume_rank") <= 100`; the others
            have no values. `None` for every symbol that has a bar.
        ttl: How old a value may be when it is used; `None` for the length of a bar.
        function: Computes `symbol`, `event_timestamp` and every column of the group from the input tables, in place of
            expressions.
        completeness: Share of its candles, 0 to 1, that a bar needs: the row of a bar with less has no values. `None`
            for what CRYPTO_FEATURES_MIN_COMPLETENESS says.
        drift: How the table is watched for drift; `None` to leave it out.
        plots: Pictures of the table beside those that every table has, by name.

    Raises:
        InputError: if two features have one name, one has that of a column of the bars, or one has neither an
            expression nor, in a group with a function, its sources; if a group of expressions declares a lookback, or
            a feature a shorter window than another one that it reads; if a joined table has no lookback, a value would
            be too old before the next one comes, an expression compares symbols without `across`, or looks back along
            a symbol with it, two joins have one name, or `completeness` is not a share.
        UnknownNameError: if `drift` watches a feature that the group does not have.
    """

    name: str
    description: str = ""
    _: KW_ONLY
    bars: Table
    features: Sequence[Feature]
    lookback: timedelta | str = timedelta(0)
    joins: Sequence[Join] = ()
    ttl: timedelta | str | None = None
    function: Compute | None = None
    completeness: float | None = None
    across: Literal["symbols"] | None = None
    universe: pl.Expr | None = None
    wait: timedelta | str = "5s"
    drift: Drift | None = field(default_factory=Drift)
    plots: Mapping[str, Plot] = field(default_factory=dict)

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
        self._check_lengths()
        self._check_joins()
        for f in self.features:
            if f.expression is not None and self.across is None:
                refuse_cross_sections(f"{self.name}.{f.name}", f.expression, self.bar(SHORTEST))
        self._check_across()
        for join in self.joins:
            for column, expression in join.columns.items():
                refuse_cross_sections(f"{self.name}'s {join.name}.{column}", expression, join.table.bar(SHORTEST))
        self._check_sources()
        for name in (self.drift and self.drift.features) or ():
            self.feature(name)

    @cached_property
    def inputs(self) -> tuple[Join, ...]:
        """The bars and the joined tables."""
        if self.function is not None:
            return (Join(self.bars, self.lookback), *self.joins)
        lookback = max((f.calendar for f in self.features), default=timedelta(0))
        bars = Join(self.bars, lookback, window=max((f.window for f in self.features), default=1))
        return (bars, *(join.to(bars) for join in self.joins))

    @property
    def by_symbol(self) -> bool:
        """Whether the rows of a symbol can be computed without those of all others: not in a cross-section."""
        return self.across is None

    @property
    def fields(self) -> tuple[Feature, ...]:
        """Its features."""
        return tuple(self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its features."""
        return tuple(feature.name for feature in self.features)

    def reads(self, interval: timedelta) -> tuple[Read, ...]:
        """The columns of its inputs that reach a feature."""
        reaches: dict[str, timedelta] = {}
        shared: dict[str, set[str]] = {}
        for source in self.inputs:
            name = source.table.name
            reaches[name] = max(source.reach(interval), reaches.get(name, timedelta(0)))
            shared.setdefault(name, set()).update(() if source.symbol is None else {source.symbol})
        return tuple(
            Read(n, reach, columns_read(self, n), shared=(*sorted(shared[n]),)) for n, reach in reaches.items()
        )

    @property
    def sources(self) -> Sources:
        """What each feature is computed from, and the completeness of its bar, by which a value is withheld."""
        complete = (self.bars.name, COMPLETENESS)
        return {name: (*columns, complete) for name, columns in lineage(self).items()}

    def bar(self, base: timedelta) -> timedelta:
        """Length of its bars."""
        return self.bars.bar(base)

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:
        """The rows of the bars that open in a month."""
        some = symbols if self.by_symbol else None
        inputs = {i.table: i.rows(read, month, some) for i in self.reads(terms.interval)}
        least = terms.min_completeness
        rows = compute_partition(self, inputs, month, interval=terms.interval, min_completeness=least)
        return rows if symbols is None else rows.filter(pl.col("symbol").is_in(list(symbols)))

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
        """Its rows over all the bars."""
        return every_row(self, inputs, interval=interval)

    def _check_lengths(self) -> None:
        if length(self.lookback, f"the lookback of {self.name}") and self.function is None:
            raise InputError(
                f"{self.name} declares lookback={self.lookback}, but has no function: how far back expressions read "
                "follows from the window of each feature; leave lookback out."
            )
        if length(self.wait, f"the wait of {self.name}") < timedelta(0):
            raise InputError(f"{self.name} declares wait={self.wait}; expected 0 or longer.")
        if self.ttl is not None:
            length(self.ttl, f"the ttl of {self.name}")
        if self.bar(SHORTEST) == self.bar(2 * SHORTEST):  # else it is as long as the base candle, which is not known.
            self.time_to_live(SHORTEST)
        if without := [join.name for join in self.joins if join.lookback <= timedelta(0)]:
            raise InputError(
                f"{self.name} joins {without[0]} with a lookback of 0, so no row is ever young enough; give it one."
            )

    def _check_joins(self) -> None:
        names = [join.name for join in self.joins]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(
                f"{self.name} joins two tables as {twice[0]!r}, so {twice[0]}.close could be of either; give one "
                'a name of its own, such as Join(..., name="btc").'
            )

    def _check_across(self) -> None:
        if self.across is None:
            if self.universe is not None:
                raise InputError(f'{self.name} declares a universe, but compares nothing; declare across="symbols".')
            return
        if self.across != "symbols":
            raise InputError(f'{self.name} declares across={self.across!r}; expected "symbols".')
        if self.function is not None:
            raise InputError(f"{self.name} compares symbols by expressions; leave function out.")
        for f in self.features:
            if f.window > 1 or f.calendar:
                raise InputError(
                    f"{self.name}.{f.name} declares a window, but is computed from the symbols of one bar time; "
                    "compute what looks back in a group by symbol, or in Join(columns=...), and join it."
                )
            if f.expression is not None:
                refuse_windows(f"{self.name}.{f.name}", f.expression)

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
                    f'sources, such as sources=(("{self.bars.name}", "close"),): lineage and the plan read them.'
                )
            for name in () if feature.expression is None else {*feature.expression.meta.root_names()} & {*self.columns}:
                self._check_reach(feature, self.feature(name))

    def _check_reach(self, feature: Feature, read: Feature) -> None:
        if feature.window < read.window or feature.calendar < read.calendar:
            needed = f"window={read.window}" + (f", lookback={str(read.lookback)!r}" if read.lookback else "")
            raise InputError(
                f"{self.name}.{feature.name} reads {read.name}, so it reaches back as far; declare {needed} or more."
            )

    def time_to_live(self, interval: timedelta) -> timedelta:
        """How old a value may be when it is used.

        Args:
            interval: Length of a base candle.

        Raises:
            InputError: if a value would be too old before the next one comes.
        """
        bar = self.bar(interval)
        ttl = bar if self.ttl is None else length(self.ttl, f"the ttl of {self.name}")
        if timedelta(0) != ttl < bar:
            raise InputError(
                f"{self.name} declares ttl={self.ttl}, shorter than its bars of {bar}: a value would expire before the "
                "next one comes. Declare ttl=None for the length of a bar, or a longer time."
            )
        return ttl

    def feature(self, name: str) -> Feature:
        """The feature of that name.

        Raises:
            UnknownNameError: if the group has none.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise UnknownNameError(f"feature of {self.name}", name, (f.name for f in self.features))
