"""When a candle opened, from the stamp that a vendor wrote."""

from datetime import UTC as UTC_ZONE
from datetime import datetime
from itertools import product

import polars as pl

UTC = pl.Datetime("us", "UTC")
FIRST, LAST = datetime(2008, 1, 1, tzinfo=UTC_ZONE), datetime(2100, 1, 1, tzinfo=UTC_ZONE)
"""No coin was traded earlier; a stamp outside was read in a wrong way, unless a setting says how to read it."""
_CREDIBLE = pl.lit(FIRST), pl.lit(LAST)
_UNITS = {"s": 10**6, "ms": 10**3, "us": 1, "ns": 10**-3, "days": 86_400 * 10**6, "excel": 86_400 * 10**6}
_EXCEL_EPOCH = 25_569
"""Day number of 1970-01-01 in a spreadsheet."""
_DIGITS = {"%Y%m%d": 8, "%Y%m%d%H": 10, "%Y%m%d%H%M": 12, "%Y%m%d%H%M%S": 14}
_AS_EPOCH = {"%y%m%d%H%M": 10}
"""Digits of dates with two for the year, which seconds since 1970 have, too: neither is certain."""
_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%y-%m-%d", "%y/%m/%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y"),
)
_HOURS = ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", " %I-%p")
_FORMATS = (
    *("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    *("%Y-%m-%d %H:%M%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f UTC", "%Y-%m-%d %H:%M:%SZ"),
    *("%Y%m%d %H%M%S", "%Y%m%d %H:%M", "%Y%m%d %H:%M:%S", "%d.%m.%Y %H:%M:%S%.f GMT%z"),
    *(day + hour for day, hour in product(_DAYS, _HOURS)),
)
_IN_UTC = ("Z", " UTC")


def readings(
    dtype: pl.DataType, column: str, decided: str | None = None, zone: str | None = None
) -> dict[str, pl.Expr]:
    """Every way to read a column as a time in UTC microseconds, by its form; what a way cannot read is null.

    Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970 (a vendor may change the unit within one
    file), or are the digits of a date. Only times of 2008 to 2100 are read, unless `decided` says how.

    Args:
        dtype: Type of the column.
        column: Its name.
        decided: The one form that a setting chose: `s`, `ms`, `us`, `ns`, `excel` and `days` for day numbers since
            1899-12-30 and 1970-01-01, or as `%d/%m/%Y %H:%M`.
        zone: Time zone of stamps that name none; by default UTC.
    """
    value = pl.col(column)
    if dtype.is_temporal():
        time = _from_time(value, dtype, zone)
        if decided in _UNITS and isinstance(dtype, pl.Datetime):  # a number that was taken for another unit's.
            number = value.to_physical()
            other = _from_number(number.cast(pl.Float64), number, decided)
            return {"time": pl.when(time < FIRST).then(other).otherwise(time)}
        return {"time": time}
    text = value.cast(pl.String).str.strip_chars()
    if decided is not None and decided not in _UNITS:
        if dtype.is_numeric():
            text = _whole(value).cast(pl.String)
        return {decided: _from_text(text, decided, zone)}
    number = text.cast(pl.Float64, strict=False) if dtype == pl.String else value.cast(pl.Float64, strict=False)
    exact = text.cast(pl.Int64, strict=False) if dtype == pl.String else value.cast(pl.Int64, strict=False)
    if decided is not None:
        return {decided: _from_number(number, exact, decided)}
    lengths = {**_DIGITS, **_AS_EPOCH}
    digits = {form: _known(_from_text(_digits(number, length), form, zone)) for form, length in lengths.items()}
    forms = {form: _known(_from_text(text, form, zone)) for form in _FORMATS} if dtype == pl.String else {}
    return {"epoch": _known(_epoch(number, exact)), **digits, **forms}


def has_zone(dtype: pl.DataType, form: str) -> bool:
    """Whether stamps of this type that are read in this form say which time of UTC they are."""
    if dtype.is_temporal():
        return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    return form == "epoch" or form in _UNITS or form.endswith((*_IN_UTC, "z"))


def certain(ways: dict[str, int]) -> dict[str, int]:
    """Without the epoch where every number is a date's digits: of seconds since 1970, few would be."""
    dates = any(not unread for form, unread in ways.items() if form in _DIGITS)
    return {form: unread for form, unread in ways.items() if form != "epoch" or not dates}


def _known(time: pl.Expr) -> pl.Expr:
    return pl.when(time.is_between(*_CREDIBLE, closed="left")).then(time)


def _from_time(value: pl.Expr, dtype: pl.DataType, zone: str | None) -> pl.Expr:
    if dtype == UTC:
        return value  # left as it is, so that a filter by time reads only the row groups that it needs.
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return value.dt.convert_time_zone("UTC").cast(UTC)
    return _placed(value.cast(pl.Datetime("us")), zone)


def _placed(value: pl.Expr, zone: str | None) -> pl.Expr:
    """A stamp without a zone as UTC; of an hour that a change of clocks repeats, the later row is the later hour."""
    if zone is None:
        return value.dt.replace_time_zone("UTC")
    first, is_rising = value.is_first_distinct(), value.first() <= value.last()
    hour = (
        pl.when(value.is_unique())
        .then(pl.lit("null"))
        .when(first == is_rising)
        .then(pl.lit("earliest"))
        .otherwise(pl.lit("latest"))
    )
    return value.dt.replace_time_zone(zone, ambiguous=hour, non_existent="null").dt.convert_time_zone("UTC")


def _epoch(number: pl.Expr, exact: pl.Expr) -> pl.Expr:
    size = number.abs()
    return (
        pl.when(size < 10**11)
        .then(_from_number(number, exact, "s"))
        .when(size < 10**14)
        .then(_from_number(number, exact, "ms"))
        .when(size < 10**17)
        .then(_from_number(number, exact, "us"))
        .otherwise(_from_number(number, exact, "ns"))
    )


def _from_number(number: pl.Expr, exact: pl.Expr, unit: str) -> pl.Expr:
    """Whole numbers are counted in whole numbers: a float knows no nanosecond of today."""
    if unit == "ns":
        whole = exact // 1_000
        return pl.coalesce(whole, (number / 1_000).round().cast(pl.Int64, strict=False)).cast(UTC)
    since = number - _EXCEL_EPOCH if unit == "excel" else number
    scaled = (since * _UNITS[unit]).round().cast(pl.Int64, strict=False)
    if unit in {"excel", "days"}:  # a day's fraction in a spreadsheet has about a millisecond.
        scaled = (scaled + 500_000) // 1_000_000 * 1_000_000
    return scaled.cast(UTC)


def _whole(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Int64, strict=False)


def _digits(number: pl.Expr, length: int) -> pl.Expr:
    digits = _whole(pl.when(number == number.floor()).then(number)).cast(pl.String)
    return pl.when(digits.str.len_chars() == length).then(digits)


def _from_text(value: pl.Expr, form: str, zone: str | None) -> pl.Expr:
    if "%M" not in form and ("%H" in form or "%I" in form):
        value, form = value + ":00", form + ":%M"  # an hour alone is not a time to the parser.
    time = value.str.to_datetime(form, strict=False, time_unit="us")
    if form.endswith("z"):
        return time.cast(UTC)
    return _placed(time, None if form.endswith(_IN_UTC) else zone)
