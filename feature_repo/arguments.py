"""Checks what a user hands in, before anything is asked with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from crypto_features.clock import as_utc
from crypto_features.errors import InputError


def symbol_list(symbols: Sequence[str]) -> list[str]:
    """The symbols of a list, a tuple or a series.

    Raises:
        InputError: if there is none, or one is not text.
    """
    try:
        found = [] if isinstance(symbols, str) else list(symbols)
    except TypeError:
        found = []
    if not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"symbols must be a list such as ['BTC', 'ETH'], not {symbols!r}.")
    return found


def time_of(name: str, value: datetime | str) -> datetime:
    """A time in UTC, also of ISO 8601 text.

    Raises:
        InputError: if it is not a time.
    """
    try:
        found = as_utc(datetime.fromisoformat(value) if isinstance(value, str) else value)
        found.toordinal()  # pandas' NaT has none.
    except (AttributeError, TypeError, ValueError):  # such as a date, a Series, or pandas' NaT.
        raise InputError(
            f"{name}={value!r} is not a time; give a datetime, or ISO 8601 such as 2024-01-31T09:00Z."
        ) from None
    return found


def check_duration(name: str, value: timedelta | None) -> None:
    """Check that a limit of age is a duration.

    Raises:
        InputError: if it is something else, such as a number, or negative.
    """
    if value is not None and (not isinstance(value, timedelta) or value < timedelta(0)):
        raise InputError(f"{name}={value!r} is not a duration; give a datetime.timedelta such as timedelta(minutes=5).")


def check_views(views: Sequence[str] | None) -> None:
    """Check that the names of views are a list.

    Raises:
        InputError: if they are one text.
    """
    if isinstance(views, str):
        raise InputError(f"views must be a list such as ['price_features'], not {views!r}.")
