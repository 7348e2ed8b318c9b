"""Which stored rows may be served. Pure."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SKEW = timedelta(seconds=5)
"""How far the clocks of a writer and a reader may differ."""


class Status(StrEnum):
    """What a reader learns about one value."""

    PRESENT = "PRESENT"
    PARTIAL = "PARTIAL"
    """There is a value, and not all symbols that it compares were there when it was published; one that knows them all
    may follow."""
    NULL_VALUE = "NULL_VALUE"
    """The row is fresh and holds no value: its window is not full."""
    INCOMPLETE = "INCOMPLETE"
    """The row is fresh, and its bar has too few of its candles; its value is withheld."""
    NOT_FOUND = "NOT_FOUND"
    """The entity was never published."""
    EXPIRED = "EXPIRED"
    """The row is older than allowed, or stamped later than the clock; its value is withheld."""
    DISABLED = "DISABLED"
    """Somebody switched the view or the entity off; its value is withheld."""


def limits(now: datetime, ttl: timedelta | None, grace: timedelta, max_age: timedelta | None) -> tuple[int, int]:
    """The first and the last event time, in microseconds, that is fresh at `now`.

    That is not older than the TTL plus the grace, nor than a stricter `max_age`, and not later than the clock.

    Args:
        now: The time of the read, UTC.
        ttl: TTL of the view; zero or none is unlimited, as in Feast.
        grace: How much longer than its TTL a row may be served while its successor is being published.
        max_age: A stricter limit of this read, without grace.
    """
    # As whole numbers: a date cannot be two thousand years before now.
    ages = [microseconds(ttl) + microseconds(grace)] if ttl else []
    ages += [] if max_age is None else [microseconds(max_age)]
    earliest = micros(now) - min(ages) if ages else -(2**63)
    return earliest, micros(now + SKEW)


def micros(time: datetime) -> int:
    """Microseconds since 1970 UTC; a naive time is UTC. Never goes through local time."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return microseconds(aware - EPOCH)


def microseconds(duration: timedelta) -> int:
    """A duration as a whole number."""
    return duration // timedelta(microseconds=1)


def stamp(time: datetime | None) -> int | None:
    """`micros` of a time that may be missing: `None`, or pandas' NaT, which does not equal itself."""
    return None if time is None or time != time else micros(time)  # noqa: PLR0124 - NaT.


def time_of(stamp: int) -> datetime:
    """The inverse of `micros`."""
    return EPOCH + timedelta(microseconds=stamp)
