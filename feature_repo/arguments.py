"""Checks what a user hands in, before anything is asked with it."""

from collections.abc import Sequence
from datetime import datetime

from crypto_features.clock import as_utc
from crypto_features.errors import InputError
from crypto_features_reader.arguments import check_duration, symbol_list

__all__ = ["check_duration", "check_views", "symbol_list", "time_of"]


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


def check_views(views: Sequence[str] | None) -> None:
    """Check that the names of views are a list.

    Raises:
        InputError: if they are one text.
    """
    if isinstance(views, str):
        raise InputError(f"views must be a list such as ['price_features'], not {views!r}.")
