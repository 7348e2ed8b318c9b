"""The one clock: no other module asks the machine for the time.

`CRYPTO_FEATURES_CLOCK` stops it at a UTC time, to replay a past market; lint forbids every other clock.
"""

import os
from datetime import UTC, datetime
from functools import lru_cache

from crypto_features.errors import SettingsError

VARIABLE = "CRYPTO_FEATURES_CLOCK"


def now() -> datetime:
    """The current time in UTC, or the time at which `CRYPTO_FEATURES_CLOCK` stops the platform.

    Raises:
        SettingsError: if the variable is set to something other than an ISO 8601 time.
    """
    stopped = os.environ.get(VARIABLE)
    return _parse(stopped) if stopped else datetime.now(UTC)


def is_stopped() -> bool:
    """Whether `CRYPTO_FEATURES_CLOCK` stops the platform at a past time."""
    return bool(os.environ.get(VARIABLE))


@lru_cache(maxsize=8)
def _parse(text: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise SettingsError(
            f"{VARIABLE}={text!r} is not a time; expected ISO 8601 in UTC, such as 2022-10-11T11:00Z."
        ) from None


def as_utc(time: datetime) -> datetime:
    """The same instant in UTC; a naive time is taken as UTC, as Feast does."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
