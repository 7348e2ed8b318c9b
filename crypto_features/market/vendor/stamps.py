"""When a candle opened, from the stamp that a vendor wrote."""

import polars as pl

UTC = pl.Datetime("us", "UTC")
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %I-%p",
    "%Y-%m-%d",
    "%Y.%m.%d %H:%M",
    "%Y.%m.%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y",
    "%m/%d/%Y",
)


def readings(dtype: pl.DataType, column: str, decided: str | None = None) -> dict[str, pl.Expr]:
    """Every way to read a column as a time in UTC microseconds, by format; what a way cannot read is null.

    Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970, whichever gives a year from 1973 to
    5138; a vendor may change the unit within one file. A stamp without a zone is UTC.

    Args:
        dtype: Type of the column.
        column: Its name.
        decided: The one format that a setting chose: `s`, `ms`, `us`, or as `%d/%m/%Y %H:%M`.
    """
    value = pl.col(column)
    if dtype == UTC:
        return {"time": value}  # left as it is, so that a filter by time reads only the row groups that it needs.
    if isinstance(dtype, pl.Datetime):
        return {
            "time": (value.dt.convert_time_zone("UTC") if dtype.time_zone else value.dt.replace_time_zone("UTC")).cast(
                UTC
            )
        }
    if dtype == pl.Date:
        return {"date": value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")}
    if dtype != pl.String:
        return {"number": _from_number(value.cast(pl.Int64, strict=False), decided)}
    if decided is not None and decided not in _UNITS:
        return {decided: _from_text(value, decided)}
    number = pl.coalesce(
        value.cast(pl.Int64, strict=False), value.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    )
    numbers = {"number": _from_number(number, decided)}
    return numbers if decided else numbers | {form: _from_text(value, form) for form in _FORMATS}


def _from_number(number: pl.Expr, unit: str | None) -> pl.Expr:
    if unit in _UNITS:
        return (number * _UNITS[unit]).cast(UTC)
    size = number.abs()
    seconds, milliseconds, microseconds = 10**11, 10**14, 10**17
    return (
        pl.when(size < seconds)
        .then(number * 1_000_000)
        .when(size < milliseconds)
        .then(number * 1_000)
        .when(size < microseconds)
        .then(number)
        .otherwise(number // 1_000)
        .cast(UTC)
    )


def _from_text(value: pl.Expr, form: str) -> pl.Expr:
    if form.endswith("%p") and "%M" not in form:
        value, form = value + ":00", form + ":%M"  # an hour alone is no time to the parser.
    time = value.str.strip_chars().str.to_datetime(form, strict=False, time_unit="us")
    return (time if form.endswith("%#z") else time.dt.replace_time_zone("UTC")).cast(UTC)
