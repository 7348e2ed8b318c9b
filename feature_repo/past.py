"""What a training set may know: what is published now, what was known at a time, or at each row's own."""

from datetime import datetime
from typing import TYPE_CHECKING

from crypto_features import clock
from crypto_features.errors import InputError
from feature_repo import arguments

if TYPE_CHECKING:
    from crypto_features.store.offline.known import Knowledge

OWN = "row"
"""`as_of` for what was known at the time of each entity row."""


def knowledge_of(as_of: datetime | str | None) -> "Knowledge | None":
    """What `as_of` lets a join know; `None` for what is published now.

    Raises:
        InputError: if it is neither a time nor `"row"`, or is before the first candle, or later than the clock.
    """
    if as_of is None:
        return None
    from crypto_features.catalogs import current_catalog
    from crypto_features.lake.history import history_of, oldest_close
    from crypto_features.settings import Settings
    from crypto_features.store.offline.known import Knowledge

    time = None if isinstance(as_of, str) and as_of == OWN else _time(as_of)
    settings = Settings.load()
    oldest = oldest_close(settings.root, current_catalog(), settings.interval)
    if oldest is None:
        raise InputError(f"as_of={as_of!r}: no candle is stored in {settings.root}; `make run` fetches and computes.")
    if time and time < oldest:
        raise InputError(
            f"as_of={time:%Y-%m-%d %H:%M} is before {oldest:%Y-%m-%d %H:%M} UTC, when the first candle closed."
        )
    if time and time > clock.now():
        raise InputError(f"as_of={time:%Y-%m-%d %H:%M} is later than now, {clock.now():%Y-%m-%d %H:%M} UTC.")
    return Knowledge(history_of(settings, current_catalog()), time)


def _time(as_of: datetime | str) -> datetime:
    try:
        return arguments.time_of("as_of", as_of)
    except InputError:
        raise InputError(
            f"as_of={as_of!r} is neither a time nor 'row'; give a datetime, ISO 8601 such as 2024-01-31T09:00Z, or "
            "'row' for what was known at each row's own time."
        ) from None
