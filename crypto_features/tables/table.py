"""A table: a declared function from what was known at a time to its rows at that time."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import ClassVar, Literal, get_args

import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.reach import span
from crypto_features.tables.read import Read, Reader, Terms

SHIPPED = "crypto_features"
"""The project of the catalog that ships."""
Sources = Mapping[str, tuple[tuple[str, str], ...]]
"""By column, the `(table, column)` pairs that it is computed from."""
At = Literal["open", "close"]
"""Whether what was known when a bar opened is joined, or when it closed."""


class Table:
    """What every kind of table answers. A kind is a frozen dataclass that inherits it.

    Attributes:
        name: Name of the table, of its folder and of its asset.
        description: What it holds, as documentation shows it.
        time: The column that orders its rows.
        fact: Whether a partition stays as it was published when its inputs change, as a fitted model does.
        project: The project that computes it, if that is another one than the catalog's.
    """

    name: str
    description: str
    time: ClassVar[str] = "event_timestamp"
    fact: ClassVar[bool] = False
    project: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def by_symbol(self) -> bool:
        """Whether the rows of a symbol can be computed without those of all others."""
        return True

    @property
    def inputs(self) -> tuple["Join", ...]:
        """The tables that it reads, each with how far back; the first one gives its bars."""
        return ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that another table may read by name, beside those that tell rows apart."""
        raise NotImplementedError

    def reads(self, interval: timedelta) -> tuple[Read, ...]:
        """What it reads of each input, by names.

        Args:
            interval: Length of a base candle.
        """
        return tuple(Read(i.table.name, i.reach(interval)) for i in self.inputs)

    @property
    def sources(self) -> Sources:
        """What each of its columns is computed from."""
        return {}

    def bar(self, base: timedelta) -> timedelta:
        """How long before a row's time its bar opened.

        Args:
            base: Length of a base candle.
        """
        raise NotImplementedError

    def early(self, base: timedelta) -> timedelta:  # noqa: ARG002 - kinds whose bars span two months override it.
        """How long before a month a bar may open, and be kept with the month before, that closes in it.

        Args:
            base: Length of a base candle.
        """
        return timedelta(0)

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:
        """The rows of a month, of some symbols or of all (`None`)."""
        raise NotImplementedError

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
        """Every row of the table from whole input tables, for probes and notebooks.

        Args:
            inputs: The input tables by name.
            interval: Length of a base candle.
        """
        raise NotImplementedError

    def due(self, read: Reader, month: str, terms: Terms) -> datetime | None:  # noqa: ARG002 - kinds that wait override it.
        """When the same inputs will give a month other rows, because bars are over by then that are waited for now."""
        return None


class Join:
    """A table that another one reads, and how.

    Args:
        table: The table.
        lookback: How old a row may be, such as `"40d"`: a joined row is always younger.
        columns: Columns computed from the table's own rows of one symbol, in time order, before it is joined.
        window: Rows of the table that decide such a column.
        symbol: The symbol whose rows are joined to those of every symbol, such as `"BTC"`; `None` for each symbol's
            own. Where it has no row the values are null.
        at: What is joined: what was known when the bar opened (`"open"`), or when it closed (`"close"`).
        name: What its columns are read by, as `"<name>.<column>"`; the table's name by default.

    Raises:
        InputError: if `at` is neither, or the lookback is not a length of time.
    """

    def __init__(
        self,
        table: Table,
        lookback: timedelta | str,
        columns: Mapping[str, pl.Expr] | None = None,
        window: int = 1,
        *,
        symbol: str | None = None,
        at: At = "open",
        name: str | None = None,
    ) -> None:
        self.table, self.columns, self.window = table, dict(columns or {}), window
        self.symbol, self.at, self.name = symbol, at, name or table.name
        self.bars: Join | None = None
        self.lookback = length(lookback, f"the lookback of {self.name}")
        if at not in get_args(At):
            raise InputError(f'{self.name} is joined at={at!r}; expected "open" or "close" of the bar.')

    def reach(self, interval: timedelta) -> timedelta:
        """How long before the start of a partition its rows are needed.

        Args:
            interval: Length of a base candle.
        """
        own = self.lookback + (span(self.window, self.table.bar(interval)) if self.window > 1 else timedelta(0))
        own += self.table.early(interval)
        return own + (self.bars.reach(interval) if self.bars else timedelta(0))

    def to(self, bars: "Join") -> "Join":
        """The same join to each of these bars, those before the start of a partition as well."""
        joined = copy(self)
        joined.bars = bars
        return joined
