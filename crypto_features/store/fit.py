"""Values in another type, as long as that type holds them. Pure."""

import polars as pl

from crypto_features.errors import InputError
from crypto_features.store.offline.join import utc
from crypto_features.tables.dtypes import Dtype

_TEXT = (pl.String, pl.Categorical, pl.Enum)


def fitted(column: pl.Series, dtype: Dtype) -> pl.Series:
    """A column as another type: numbers as numbers, times as times, texts as texts, and lists of them likewise.

    A number is rounded to the nearest float, and NaN is null among integers; nothing else may change a value.

    Raises:
        InputError: naming the column, both types and the first value that does not fit.
    """
    if column.dtype in (dtype, pl.Null):
        return column.cast(dtype)
    if isinstance(column.dtype, pl.List) and isinstance(dtype, pl.List):
        fitted(column.explode(), dtype.inner)
        return column.cast(dtype)
    if not _alike(column.dtype, dtype):
        raise InputError(f"the column {column.name!r} holds {column.dtype}; expected {dtype}.")
    if column.dtype.is_float() and dtype.is_integer():
        column = column.fill_nan(None)
    found = _cast(column, dtype)
    changed = (
        found.is_infinite() & column.cast(pl.Float64).is_finite()
        if dtype.is_float()
        else _cast(found, column.dtype) != column
    )
    lost = column.filter((changed | found.is_null()) & column.is_not_null())
    if not lost.is_empty():
        raise InputError(f"the column {column.name!r} holds {lost[0]!r}, which does not fit into {dtype}.")
    return found


def _cast(column: pl.Series, dtype: Dtype) -> pl.Series:
    if isinstance(dtype, pl.Datetime):
        times = column.to_frame().select(utc(pl.col(column.name))).to_series()
        times = times.dt.cast_time_unit(dtype.time_unit)
        return times.dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else times.dt.replace_time_zone(None)
    return column.cast(dtype, strict=False)


def _alike(one: Dtype, other: Dtype) -> bool:
    families = (
        [dtype.is_numeric() or dtype == pl.Boolean for dtype in (one, other)],
        [isinstance(dtype, pl.Datetime) or dtype == pl.Date for dtype in (one, other)],
        [dtype in _TEXT for dtype in (one, other)],
    )
    return any(all(family) for family in families)
