"""The types of the columns that input tables share: others are converted if no value changes, and refused by name."""

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.dtypes import TIME

_TIMES = ("open_time", "event_timestamp")
_NUMBERS = ("open", "high", "low", "close", "volume", "completeness")


def in_types(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A table with its symbols as texts, its times as microseconds in UTC and the numbers of its bars as `Float64`.

    Naive times are UTC.

    Args:
        table: Its name, for errors.
        frame: Its rows.

    Raises:
        InputError: naming the column, if it is of a type that cannot be converted without loss.
    """
    numbers = _NUMBERS if "open_time" in frame.columns else ()
    wanted: dict[str, pl.DataType] = {
        "symbol": pl.String(),
        **dict.fromkeys(_TIMES, TIME),
        **dict.fromkeys(numbers, pl.Float64()),
    }
    found = frame.schema
    other = {name: dtype for name, dtype in wanted.items() if found.get(name, dtype) != dtype}
    return (
        frame.with_columns(_converted(table, frame[name], dtype) for name, dtype in other.items()) if other else frame
    )


def _converted(table: str, column: pl.Series, wanted: pl.DataType) -> pl.Series:
    found, why = column.dtype, ""
    if found == pl.Null or (wanted == pl.String and isinstance(found, pl.Categorical | pl.Enum)):
        return column.cast(wanted)
    if (isinstance(found, pl.Datetime) and wanted == TIME) or (found.is_numeric() and wanted == pl.Float64):
        column = (
            column.dt.replace_time_zone("UTC") if isinstance(found, pl.Datetime) and not found.time_zone else column
        )
        other = column.cast(wanted)
        if found.is_float() or (other.cast(column.dtype, strict=False) == column).all():
            return other
        why = " and has values that do not fit into it"
    raise InputError(f"{table}.{column.name} is {found!r}{why}; expected {wanted!r}. Cast it before you pass it.")
