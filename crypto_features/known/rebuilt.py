"""The tables as a build at one time would have made them.

A month whose windows hold a candle that was known otherwise then is computed again from the candles of then; of every
other month the published rows are taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache

import polars as pl

from crypto_features.known.created import CREATED
from crypto_features.known.history import History
from crypto_features.known.knowledge import TIME, candles_as_known
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.completeness import COMPLETENESS
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.model import SCHEMA, FittedModel
from crypto_features.tables.months import month_of, months_between
from crypto_features.tables.raw import CANDLE
from crypto_features.tables.table import Table


class Held:
    """What is read of a history for some symbols, each month once.

    Args:
        history: What is read.
        groups: The groups by name, with the features that are wanted of each.
        symbols: The symbols.
    """

    def __init__(self, history: History, groups: Mapping[str, FeatureGroup], symbols: Sequence[str]) -> None:
        self.history, self.groups, self.symbols = history, groups, symbols
        tables = (*history.catalog.bars, *history.catalog.borrowed, *groups)
        self.columns = {table: self._columns(table) for table in tables}
        self._published = cache(self._read)
        self._versions = cache(self._read_versions)

    def published(self, table: str, month: str, symbol: str) -> pl.DataFrame:
        """The published rows of a symbol."""
        return self._published(table, month).get(symbol, pl.DataFrame(schema=self.columns[table]))

    def versions(self, table: str, month: str, symbol: str) -> pl.DataFrame | None:
        """Every version of a symbol's raw rows, with `known`; `None` if it has none."""
        return self._versions(table, month).get(symbol)

    def _columns(self, table: str) -> pl.Schema:
        keys: dict[str, pl.DataType] = {"symbol": pl.String()}
        if table in self.groups:
            features = {feature.name: feature.column_type for feature in self.groups[table].features}
            return pl.Schema({**keys, "event_timestamp": TIME, COMPLETENESS: pl.Float64(), **features})
        if table in self.history.catalog.borrowed:
            fields = {field.name: field.column_type for field in self.history.catalog.borrowed[table].fields}
            return pl.Schema({**keys, "event_timestamp": TIME, CREATED: TIME, COMPLETENESS: pl.Float64(), **fields})
        read = {name for group in self.groups.values() for name in columns_read(group, table)}
        values = [name for name in CANDLE if name in read]
        return pl.Schema({**keys, "open_time": TIME, **dict.fromkeys(values, pl.Float64())})

    def _read(self, table: str, month: str) -> Mapping[str, pl.DataFrame]:
        names = self.columns[table].names()
        rows = self.history.read(table, [month], names, self.symbols)
        if COMPLETENESS in names and COMPLETENESS not in rows.columns:  # version 0.1 published without it.
            rows = rows.with_columns(pl.lit(1.0).alias(COMPLETENESS))
        return _by_symbol(rows.select(names)) if len(rows) else {}

    def _read_versions(self, table: str, month: str) -> Mapping[str, pl.DataFrame]:
        rows = self.history.known(table, month, None, self.symbols)
        return _by_symbol(rows) if len(rows) else {}


class Rebuilt:
    """The tables at one time.

    Args:
        held: What is published.
        at: The time.
        missed: `of, open_time`: the candles that were known otherwise then, by symbol.
    """

    def __init__(self, held: Held, at: datetime, missed: pl.DataFrame) -> None:
        self.held, self.at, self.history = held, at, held.history
        self.missed = {(symbol, month_of(time)) for symbol, time in missed.select("of", "open_time").iter_rows()}
        self.models = held.history.models_then(at)
        self._since: datetime | None = missed["open_time"].min() if len(missed) else None  # type: ignore[assignment] # a time
        self._affected = cache(self._is_affected)
        self._month, self._all = cache(self._rows), cache(self._rows_of_all)
        self._until = cache(self._end)

    def rows(self, group: str, months: Iterable[str], symbol: str) -> pl.DataFrame:
        """The rows of some months of a group, of one symbol."""
        none, until = pl.DataFrame(schema=self.held.columns[group]), self._until(symbol)
        if until is None:
            return pl.concat([none, *(self._month(group, month, symbol) for month in months)])
        parts = [self.held.published(group, month, symbol) for month in months]
        return pl.concat([none, *parts]).filter(pl.col("event_timestamp") <= until)

    def _end(self, symbol: str) -> datetime | None:
        """The time after which nothing at all was known: what is published up to it is what was known."""
        catalog, interval = self.history.catalog, self.history.interval
        if self._since is None or self.models:
            return None
        for table in (*catalog.raws.values(), *catalog.bars.values()):
            for month in months_between(self._since - table.early(interval), self.at):
                closes = self._month(table.name, month, symbol)["open_time"] + table.bar(interval)
                if closes.is_between(self._since, self.at, closed="right").any():
                    return None
        return self._since

    def _table(self, name: str) -> Table:
        return self.held.groups.get(name) or self.history.catalog[name]

    def _is_affected(self, name: str, month: str, symbol: str) -> bool:
        table = self._table(name)
        if isinstance(table, FittedModel):
            return (name, month) in self.models
        if isinstance(table, Borrowed):
            return bool((self.held.published(name, month, symbol)[CREATED] > self.at).any())
        if not table.inputs:
            return (symbol, month) in self.missed
        reads, own = table.reads(self.history.interval), [symbol] if table.by_symbol else self.held.symbols
        return any(
            self._affected(read.table, other, one)
            for read in reads
            for other in read.months(month)
            for one in (*own, *read.shared)
        )

    def _rows(self, name: str, month: str, symbol: str) -> pl.DataFrame:
        table = self._table(name)
        if isinstance(table, FittedModel):
            return self._model(name, month)
        if isinstance(table, Borrowed):  # a row that had not been created by then is left out.
            return self.held.published(name, month, symbol).filter(pl.col(CREATED) <= self.at)
        if not table.inputs:
            return self._raw(name, month, symbol)
        if not self._affected(name, month, symbol):
            return self.held.published(name, month, symbol)
        return self._computed(table, month, symbol)

    def _computed(self, table: Table, month: str, symbol: str) -> pl.DataFrame:
        name, none = table.name, pl.DataFrame(schema=self.held.columns[table.name])
        if any(self.models.get((read.table, month), table) is None for read in table.reads(self.history.interval)):
            return none  # its model was fitted later.
        if not table.by_symbol:
            return self._all(name, month).get(symbol, none)
        rows = table.compute(self._read, month, [symbol], self.history.terms(self.at))
        return rows.select(self.held.columns[name].names())

    def _rows_of_all(self, name: str, month: str) -> Mapping[str, pl.DataFrame]:
        """The rows of a table that compares symbols, by symbol."""
        rows = self._table(name).compute(self._read, month, None, self.history.terms(self.at))
        return _by_symbol(rows.select(self.held.columns[name].names()))

    def _read(self, name: str, months: Sequence[str], _columns: object, symbols: Sequence[str] | None) -> pl.DataFrame:
        if isinstance(self._table(name), FittedModel):
            return pl.concat([self._model(name, month) for month in months], how="diagonal_relaxed")
        wanted = self.held.symbols if symbols is None else symbols
        parts = [self._month(name, month, symbol) for month in months for symbol in wanted]
        return pl.concat(parts, how="diagonal_relaxed")

    def _raw(self, name: str, month: str, symbol: str) -> pl.DataFrame:
        versions = self.held.versions(name, month, symbol)
        if versions is None:
            schema = self.history.catalog.raws[name].rows.full_schema
            return pl.DataFrame(schema=pl.Schema({c: t for c, t in schema.items() if c != COMPLETENESS}))
        return candles_as_known(versions, self.at)

    def _model(self, name: str, month: str) -> pl.DataFrame:
        if (name, month) not in self.models:
            return self.history.read(name, [month], None, None)
        then = self.models[name, month]
        return pl.DataFrame([(month, then.parameters, then.version)] if then else [], SCHEMA, orient="row")


def _by_symbol(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(symbol): part for (symbol,), part in rows.partition_by("symbol", as_dict=True).items()}
