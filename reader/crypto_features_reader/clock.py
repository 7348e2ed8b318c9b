"""The one clock: no other module asks the machine for the time.

`CRYPTO_FEATURES_CLOCK` stops it at a UTC time, to replay a past market. `@<path>` names a file that holds the time:
whoever writes it moves the clock of every process at once. Lint forbids every other clock.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from crypto_features_reader.errors import SettingsError

VARIABLE = "CRYPTO_FEATURES_CLOCK"
FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Between them a month more or less is a time as well, for pandas too."""


def now() -> datetime:
    """The current time in UTC, or the time that `CRYPTO_FEATURES_CLOCK` gives the platform.

    Raises:
        SettingsError: if the variable is set to something other than an ISO 8601 time.
    """
    stopped = os.environ.get(VARIABLE)
    if not stopped:
        return datetime.now(UTC)
    return _parse(_read(stopped[1:]) if stopped.startswith("@") else stopped)


def is_stopped() -> bool:
    """Whether `CRYPTO_FEATURES_CLOCK` stops the platform at a past time."""
    return bool(os.environ.get(VARIABLE))


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise SettingsError(f"{VARIABLE}=@{path}: the file of the time cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise SettingsError(
            f"{VARIABLE}=@{path}: the file is not text; expected a time in ISO 8601, such as 2022-10-11T11:00Z."
        ) from None


@lru_cache(maxsize=8)
def _parse(text: str) -> datetime:
    try:
        time = as_utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{VARIABLE}={text!r} is not a time; expected ISO 8601 in UTC, such as 2022-10-11T11:00Z."
        ) from None
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise SettingsError(f"{VARIABLE}={text!r} is not a time of {FIRST_YEAR} to {LAST_YEAR}.")
    return time


def before(time: datetime, age: timedelta) -> datetime:
    """The time so long before another one, UTC; the first there is if the age goes back further than that."""
    try:
        return as_utc(time) - age
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def as_utc(time: datetime) -> datetime:
    """The same instant in UTC; a naive time is taken as UTC, as Feast does."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
