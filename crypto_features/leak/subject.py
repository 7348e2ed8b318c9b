"""The group under test, as a function from raw tables to its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from crypto_features.compute.resample import resample_each
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import upstream
from crypto_features.tables.derived import inputs_of, part_read
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import evaluate, every_row
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table
from crypto_features.versions.probe_market import COLUMNS

LONGEST_MONTH = timedelta(days=31)


@dataclass(frozen=True)
class Subject:
    """A group, the length of a candle, and the fitted models by which it is read, if it reads any."""

    group: FeatureGroup
    interval: timedelta
    models: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def rows(self, candles: pl.DataFrame, months: Sequence[str] | None = None) -> pl.DataFrame:
        """The group's rows of these markets; an unfinished bar is left out of each market by its own `as_of`.

        Args:
            candles: `symbol, open_time, open, high, low, close, volume` and `as_of`.
            months: Of a group that declares a function, the months wanted.
        """
        return every_row(self.group, self.inputs(self.raw(candles)), interval=self.interval, months=months)

    def at_once(self, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """The same rows in one computation, from candles and bars and whatever the months."""
        return evaluate(self.group, self.inputs(raw), interval=self.interval)

    def raw(self, candles: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
        """The candles and the bars of these markets, each of which has come to its `as_of`."""
        return {
            self.candles: candles.select(COLUMNS),
            **{bars.name: self.resampled(bars, candles) for bars in self.bars},
        }

    def resampled(self, bars: Bars, candles: pl.DataFrame) -> pl.DataFrame:
        """The bars of these markets, each of which has come to its `as_of`."""
        return resample_each(bars.of.stand_in(candles, self.interval), self.interval, bars.bar(self.interval))

    @property
    def bars(self) -> tuple[Bars, ...]:
        """The resampled bars that it reads, directly or not."""
        return tuple(table for table in tables_read(self.group) if isinstance(table, Bars))

    @property
    def candles(self) -> str:
        """The name of the raw table that its bars are made of."""
        return next(table.name for table in tables_read(self.group) if isinstance(table, RawTable) and table.has_prices)

    def inputs(self, raw: Mapping[str, pl.DataFrame]) -> Mapping[str, pl.DataFrame]:
        """The input tables of the group."""
        candles = raw[self.candles]
        given = {**raw, **self.stand_ins(self.group, candles), **self.models}
        return inputs_of(self.group, candles, interval=self.interval, given=given)

    def stand_ins(self, table: Table, candles: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """What stands for each raw table that a table reads, made from these candles."""
        raws = (read for read in tables_read(table) if isinstance(read, RawTable))
        return {raw.name: raw.stand_in(candles, self.interval) for raw in raws}

    def before_any_fit(self, candles: pl.DataFrame) -> "Subject":
        """The same subject with assumed parameters for every month of the candles and of the lookback."""
        times, found = candles["open_time"], dict[str, pl.DataFrame]()
        first = times.min() - memory(self.group, self.interval)  # type: ignore[operator] # a time
        last = times.max() + timedelta(days=1)  # type: ignore[operator] # a time
        months = months_between(first, last)  # type: ignore[arg-type] # times
        for model in models_read(self.group):
            rows = pl.DataFrame()
            if model.prior is None:  # it is fitted once, on all there is.
                given = {**self.stand_ins(model.of, candles), **found}
                rows = model.of.whole(inputs_of(model.of, candles, interval=self.interval, given=given), self.interval)
            found[model.name] = model.assumed(rows, months)
        return Subject(self.group, self.interval, found)


def tables_read(table: Table) -> tuple[Table, ...]:
    """The tables that a table reads, directly or not, each once."""
    return tuple(dict.fromkeys(other for other in upstream(table) if other is not table))


def models_read(table: Table) -> tuple[FittedModel, ...]:
    """The fitted models that a table reads, directly or not."""
    return tuple(other for other in tables_read(table) if isinstance(other, FittedModel))


def groups_read(group: FeatureGroup) -> Iterator[FeatureGroup]:
    """The group and every group that it reads, directly or not, but not what a model is fitted on."""
    yield group
    for source in group.inputs:
        if isinstance(source.table, FeatureGroup):
            yield from groups_read(source.table)


def memory(table: Table, interval: timedelta) -> timedelta:
    """How long before a row's time candles may decide it, through all that it reads but fitted models.

    Args:
        table: The table; of a group that it reads only the features that it reads count.
        interval: Length of a candle.
    """
    if isinstance(table, RawTable | FittedModel):
        return timedelta(0)
    anchored = LONGEST_MONTH if isinstance(table, FeatureGroup) and table.function else timedelta(0)
    own = table.bar(interval) if isinstance(table, Bars) else timedelta(0)
    return own + max(i.reach(interval) + anchored + memory(part_read(table, i.table), interval) for i in table.inputs)
