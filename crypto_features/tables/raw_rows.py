"""What the rows of a raw table are: columns with units, the rules that they keep, and how they are spaced in time."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta

import polars as pl

from crypto_features.tables.dtypes import TIME, Dtype

RAW_KEY = ("symbol", "open_time")
"""What tells the rows of a raw table apart; several revisions of a row share it."""
StandIn = Callable[[pl.DataFrame, timedelta], pl.DataFrame]
"""`stand_in(candles, interval)`: rows made from candles alone, known no earlier than these."""


@dataclass(frozen=True)
class Column:
    """A column of a raw table beside `symbol` and `open_time`.

    Args:
        name: Its name.
        unit: Unit of its values.
        description: What it holds.
        dtype: Its type.
        above: Every value is more than this.
        least: No value is less than this.
        most: No value is more than this.
        nullable: Whether a row may have none.
        further: Whether a source may leave it out altogether; what is stored without it reads as null.
        default: The value of a column that was stored, or is given, without it.
    """

    name: str
    unit: str
    description: str
    _: KW_ONLY
    dtype: Dtype = pl.Float64
    above: float | None = None
    least: float | None = None
    most: float | None = None
    nullable: bool = False
    further: bool = False
    default: float | None = None


@dataclass(frozen=True, eq=False)
class RawRows:
    """A kind of raw rows, each identified by `symbol` and `open_time` (UTC).

    Args:
        name: Its name, such as `funding`.
        row: What errors and reports call one row.
        columns: Its columns.
        rules: By name, what each row has to fulfil beside the bounds of its columns.
        length: How long after its `open_time` a row is known: the time that it sums up. `None` for a base candle; 0 for
            what is known at once.
        step: The grid by which it is noted what is there and what is missing; `None` for the length.
        on_grid: Whether every time is a multiple of the step since midnight UTC.
        holds: For how long a row leaves none to be expected after it, over one symbol's rows in time order; `None` for
            one step.
        stand_in: Makes rows from candles, for probes of the tables that read such rows.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    stand_in: StandIn
    _: KW_ONLY
    rules: Mapping[str, pl.Expr] = field(default_factory=dict)
    length: timedelta | None = None
    step: timedelta | None = None
    on_grid: bool = True
    holds: pl.Expr | None = None

    @property
    def schema(self) -> pl.Schema:
        """The columns that every source gives, the two that tell rows apart first."""
        return self._schema(further=False)

    @property
    def full_schema(self) -> pl.Schema:
        """All columns, those that only some sources give at the end."""
        return self._schema(further=True)

    @property
    def gains(self) -> Mapping[str, pl.Expr]:
        """What stands for each column that rows may have been stored without."""
        return {
            column.name: pl.lit(column.default, column.dtype)
            for column in self.columns
            if column.further or column.default is not None
        }

    @property
    def values(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(column.name for column in self.columns)

    def length_of(self, base: timedelta) -> timedelta:
        """How long after its `open_time` a row is known.

        Args:
            base: Length of a base candle.
        """
        return base if self.length is None else self.length

    def step_of(self, base: timedelta) -> timedelta:
        """The grid by which it is noted what is there.

        Args:
            base: Length of a base candle.
        """
        return self.length_of(base) if self.step is None else self.step

    def _schema(self, *, further: bool) -> pl.Schema:
        keys = {"symbol": pl.String(), "open_time": TIME}
        return pl.Schema({**keys, **{c.name: c.dtype for c in self.columns if further or not c.further}})
