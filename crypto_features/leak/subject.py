"""The group under test, as a function from raw tables to its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from crypto_features.compute.resample import resample_each
from crypto_features.shipped.regime_model import prior_model, regime_models
from crypto_features.shipped.registry import GROUPS
from crypto_features.tables.declaration import FeatureGroup
from crypto_features.tables.months import months_between
from crypto_features.tables.partition import DAY, evaluate
from crypto_features.tables.upstream import every_row, tables
from crypto_features.versions.probe_market import COLUMNS


@dataclass(frozen=True)
class Subject:
    """A group, the length of a candle, and the regime models by which it is read, if it reads any."""

    group: FeatureGroup
    interval: timedelta
    models: pl.DataFrame | None = None

    def rows(self, candles: pl.DataFrame, months: Sequence[str] | None = None) -> pl.DataFrame:
        """The group's rows of these markets; an unfinished day is left out of each market by its own `as_of`.

        Args:
            candles: `symbol, open_time, open, high, low, close, volume` and `as_of`.
            months: Of a group that declares a function, the months wanted.
        """
        return every_row(self.group, self.inputs(self.raw(candles)), interval=self.interval, months=months)

    def at_once(self, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """The same rows in one computation, from `candles` and `daily_candles` and whatever the months."""
        return evaluate(self.group, self.inputs(raw), interval=self.interval)

    def raw(self, candles: pl.DataFrame) -> Mapping[str, pl.DataFrame]:
        """`candles` and `daily_candles` of these markets, each of which has come to its `as_of`."""
        return {"candles": candles.select(COLUMNS), "daily_candles": resample_each(candles, self.interval, DAY)}

    def inputs(self, raw: Mapping[str, pl.DataFrame]) -> Mapping[str, pl.DataFrame]:
        """The input tables of the group."""
        given = raw if self.models is None else {**raw, "regime_model": self.models}
        return tables(self.group, raw["candles"], interval=self.interval, given=given)

    def before_any_fit(self, candles: pl.DataFrame) -> "Subject":
        """The same subject with the prior as the regime model of every month of the candles and of the lookback."""
        if "regime_model" not in tables_read(self.group):
            return self
        times = candles["open_time"]
        months = months_between(times.min() - longest_lookback(self.group), times.max() + DAY)  # type: ignore[operator, arg-type] # times
        return Subject(self.group, self.interval, regime_models(candles, months, lambda *_: prior_model()))


def groups_read(group: FeatureGroup) -> Iterator[FeatureGroup]:
    """The group and every group that it reads, directly or not."""
    yield group
    for source in group.inputs:
        if source.table in GROUPS:
            yield from groups_read(GROUPS[source.table])


def tables_read(group: FeatureGroup) -> set[str]:
    """The tables that the group reads, directly or not."""
    return {source.table for read in groups_read(group) for source in read.inputs}


def longest_lookback(group: FeatureGroup) -> timedelta:
    """The longest lookback of the group and of the groups that it reads."""
    return max(source.lookback for read in groups_read(group) for source in read.inputs)


def warm_up(group: FeatureGroup, interval: timedelta) -> timedelta:
    """How long after its first candle every table that a group reads may be null for want of history."""
    _, *joined = group.inputs
    read = [GROUPS[source.table] for source in group.inputs if source.table in GROUPS]
    upstream = [max(f.window for f in g.features) * (g.interval or interval) + warm_up(g, interval) for g in read]
    return max([source.lookback for source in joined], default=timedelta(0)) + max(upstream, default=timedelta(0))
