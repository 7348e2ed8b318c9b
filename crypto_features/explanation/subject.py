"""What is explained: a column of a table, of one symbol; and its value by a computation from raw rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.explanation.lake import Lake
from crypto_features.explanation.replay import Replay
from crypto_features.known.history import FittedVersion
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.catalog import Catalog, upstream
from crypto_features.tables.derived import only
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_of
from crypto_features.tables.table import Table

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Subject:
    """A column of a table, of one symbol.

    Args:
        lake: What is read.
        table: The table.
        column: The column.
        symbol: The symbol.
    """

    lake: Lake
    table: Table
    column: str
    symbol: str

    @property
    def part(self) -> Table:
        """The table with what the column needs of it only."""
        return only(self.table, [self.column]) if isinstance(self.table, FeatureGroup) else self.table

    @property
    def late(self) -> timedelta:
        """How long after the time that orders the table's rows each is known."""
        return self.table.bar(self.lake.interval) if self.table.time == "open_time" else timedelta(0)

    @property
    def described(self) -> tuple[str, str]:
        """Definition and unit of the column."""
        if isinstance(self.table, FeatureGroup | Borrowed):
            field = next(field for field in self.table.fields if field.name == self.column)
            return field.description, field.unit
        raw = next((c for c in CANDLES.columns if c.name == self.column), None)
        return (raw.description, raw.unit) if raw else ("Share of its candles that the bar has.", "0 to 1")

    def values(self, replay: Replay, months: Sequence[str]) -> pl.DataFrame:
        """`event_timestamp` and `value` of some months, by a computation."""
        rows = replay.rows(self.table.name, months, [self.symbol])
        if not rows.width:
            return pl.DataFrame(schema={"event_timestamp": pl.Datetime("us", "UTC"), "value": pl.Null()})
        return rows.select(event_timestamp=pl.col(self.table.time) + self.late, value=self.column)

    def value_at(self, replay: Replay, time: datetime) -> object:
        """The value of a row, by a computation; `None` also if it gives no such row."""
        found = self.values(replay, [self.month(time)]).filter(event_timestamp=time)["value"]
        return found.item() if len(found) else None

    def month(self, time: datetime) -> str:
        """The month that a row is stored in."""
        return month_of(time - self.late) if self.late else month_of(time - INSTANT)

    def models(self, months: Sequence[str]) -> Iterator[tuple[FittedModel, str, Sequence[FittedVersion]]]:
        """The fitted models behind the column, and every version of those of some months."""
        for model in dict.fromkeys(one for one in upstream(self.part) if isinstance(one, FittedModel)):
            fitted = self.lake.fitted(model.name)
            yield from ((model, month, fitted[month]) for month in months if month in fitted)


def subject_of(lake: Lake, symbol: str, ref: str) -> Subject:
    """The column that a reference names.

    Raises:
        InputError: if it is not written as `table:column`.
        UnknownNameError: if there is no such table or column.
    """
    name, colon, column = ref.partition(":")
    if not (name and colon and column):
        raise InputError(f"{ref!r} must have the form table:column, as price_features:rsi_14.")
    tables = explained(lake.catalog)
    if name not in tables:
        raise UnknownNameError("feature view", name, tables)
    columns = tables[name].columns
    if column not in columns:
        raise UnknownNameError("feature", column, columns, f"It was looked for in {name}.")
    return Subject(lake, tables[name], column, symbol)


def explained(catalog: Catalog) -> dict[str, Table]:
    """The tables whose values are explained: feature views and bars."""
    return {name: one for name, one in catalog.tables.items() if isinstance(one, Bars | FeatureGroup | Borrowed)}
