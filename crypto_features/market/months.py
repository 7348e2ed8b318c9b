"""Calendar months, the partitions of every table, as strings such as `2024-01`; and the names that may become paths."""

import re
from datetime import UTC, datetime, timedelta

from crypto_features.errors import InputError

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_SYMBOL = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]{0,30}[A-Z0-9])?")
_TABLE = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*")


def month_of(time: datetime) -> str:
    """The calendar month of a UTC time.

    >>> month_of(datetime(2024, 2, 29, 23, tzinfo=UTC))
    '2024-02'
    """
    return f"{time:%Y-%m}"


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Start of the month and start of the next one, in UTC.

    Raises:
        InputError: if `month` is not of the form `YYYY-MM`.
    """
    if not _MONTH.fullmatch(month):
        raise InputError(f"{month!r} is not a month; expected YYYY-MM, such as 2024-01.")
    start = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    return start, (start + timedelta(days=31)).replace(day=1)


def months_between(start: datetime, end: datetime) -> tuple[str, ...]:
    """Every month that has a moment in `[start, end)`, oldest first.

    >>> months_between(datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    ('2023-12', '2024-01')
    """
    months: list[str] = []
    while start < end:
        months.append(month_of(start))
        start = month_bounds(months[-1])[1]
    return tuple(months)


def check_symbol(symbol: str) -> str:
    """The symbol itself, if it is safe as a part of a path.

    Raises:
        InputError: if it is not 1 to 32 of A-Z, 0-9, '.', '-' and '_', with a letter or digit at both ends.
    """
    if not _SYMBOL.fullmatch(symbol):
        raise InputError(
            f"{symbol!r} is not a symbol; expected 1 to 32 of A-Z, 0-9, '.', '-' and '_', "
            "with a letter or digit at both ends, such as BTC."
        )
    return symbol


def check_table_name(name: str) -> str:
    """The table name itself, if it is safe as a folder below the data folder.

    Raises:
        InputError: if it is not made of lower-case letters, digits and underscores, with `/` between folders.
    """
    if not _TABLE.fullmatch(name):
        raise InputError(
            f"{name!r} is not a table name; expected a-z, 0-9 and '_' in each folder, such as daily_candles."
        )
    return name
