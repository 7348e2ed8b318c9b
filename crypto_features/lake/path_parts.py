"""The names that become parts of a path: a symbol, a table or a month that could leave the data folder is refused."""

import re

from crypto_features.errors import InputError

_SYMBOL = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]{0,30}[A-Z0-9])?")
_TABLE = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*(@[0-9a-f]+)?")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


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


def in_capitals(name: str) -> str:
    """The name in capitals; one that is not ASCII stays as it is, since its capitals may be another asset's name.

    >>> in_capitals("btc"), in_capitals("ßa")
    ('BTC', 'ßa')
    """
    return name.upper() if name.isascii() else name


def check_table_name(name: str) -> str:
    """The table name itself, if it is safe as a folder below the data folder.

    Raises:
        InputError: if it is not made of lower-case letters, digits and underscores, with `/` between folders.
    """
    if not _TABLE.fullmatch(name):
        raise InputError(f"{name!r} is not a table name; expected a-z, 0-9 and '_' a folder, such as daily_candles.")
    return name


def kept_name(table: str, behaviour: str) -> str:
    """The folder in which the months of a version are kept once the table is computed otherwise."""
    return f"{table}@{behaviour}"


def check_month(month: str) -> str:
    """The month itself, if it is written as a partition's file name.

    Raises:
        InputError: if it is not of the form `YYYY-MM`.
    """
    if not _MONTH.fullmatch(month):
        raise InputError(f"{month!r} is not a month; expected YYYY-MM, such as 2024-01.")
    return month
