"""Partitions are calendar months in UTC, written `"2024-01"`."""

from datetime import UTC, datetime, timedelta

import polars as pl

from crypto_features.errors import InputError

MONTH = pl.col("event_timestamp").dt.offset_by("-1us").dt.strftime("%Y-%m")
"""The partition of a row: a bar that closes with the month belongs to it."""


def month_of(time: datetime) -> str:
    """The month that holds a time.

    >>> month_of(datetime(2024, 2, 29, tzinfo=UTC))
    '2024-02'
    """
    return f"{time:%Y-%m}"


def month_span(month: str) -> tuple[datetime, datetime]:
    """First instant of a month and of the next.

    >>> [str(time.date()) for time in month_span("2023-12")]
    ['2023-12-01', '2024-01-01']

    Raises:
        InputError: if it is not written as `"2024-01"`.
    """
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        return start, (start + timedelta(days=31)).replace(day=1)
    except (ValueError, OverflowError):
        raise InputError(f"{month!r} is not a month; expected YYYY-MM, such as 2024-01.") from None


def months_between(start: datetime, end: datetime) -> tuple[str, ...]:
    """Every month that overlaps `[start, end)`, oldest first.

    >>> months_between(datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    ('2023-12', '2024-01')
    """
    months, time = [], month_span(month_of(start))[0]
    while time < end:
        months.append(month_of(time))
        time = month_span(months[-1])[1]
    return tuple(months)
