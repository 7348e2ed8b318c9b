"""The types that a feature may have: those that Feast holds, offline and online."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl
from polars.datatypes import DataTypeClass

from crypto_features.errors import InputError

Dtype = pl.DataType | DataTypeClass
TIME = pl.Datetime("us", "UTC")
SCALARS: tuple[pl.DataType, ...] = (
    *(pl.Float64(), pl.Float32(), pl.Int64(), pl.Int32()),
    *(pl.Boolean(), pl.String(), pl.Binary(), pl.Date(), TIME),
)
"""A date is read online as its midnight; times count in whole seconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(time: datetime) -> int:
    """A time as `TIME` counts it: since 1970."""
    return (time - _EPOCH) // timedelta.resolution


def moment(time: datetime) -> pl.Expr:
    """A time as a literal of `TIME`; Polars takes thirty times as long to build one from a time with a zone.

    >>> pl.select(moment(datetime(2024, 6, 1, 12, tzinfo=UTC))).item()
    datetime.datetime(2024, 6, 1, 12, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC'))
    """
    return pl.lit(microseconds(time)).cast(TIME)


def moments(times: Iterable[datetime]) -> pl.Series:
    """Times as a column of `TIME`, which Polars takes five times as long to build from times with a zone."""
    return pl.Series([*map(microseconds, times)], dtype=pl.Int64).cast(TIME)


def column_type(feature: str, dtype: Dtype) -> pl.DataType:
    """The type of a feature's column: a scalar, or a list of scalars.

    Raises:
        InputError: if Feast holds no such values.
    """
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    for scalar in SCALARS:
        if inner in (scalar, type(scalar)):
            return pl.List(scalar) if isinstance(dtype, pl.List) else scalar
    names = ", ".join(f"pl.{scalar}" for scalar in SCALARS[:-1])
    raise InputError(
        f"{feature} declares dtype={dtype!r}, which Feast does not hold; choose {names}, pl.{TIME!r}, or a "
        "pl.List of one of them."
    )


def held(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Values as a column holds them: of its type, without NaN and infinities, times in whole seconds.

    A list is null if one of its values is: Feast holds none in a list.
    """
    if isinstance(dtype, pl.List):
        lists = values.cast(dtype).list.eval(held(pl.element(), dtype.inner))  # type: ignore[arg-type] # a scalar.
        return pl.when(lists.list.eval(pl.element().is_not_null()).list.all()).then(lists)
    if isinstance(dtype, pl.Datetime):
        return values.cast(dtype).dt.truncate("1s")
    if not dtype.is_float():
        return values.cast(dtype)
    values = values.cast(dtype)
    return pl.when(values.is_finite()).then(values)
