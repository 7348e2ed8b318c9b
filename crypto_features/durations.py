"""Lengths of time as exchanges and people write them: `15m`, `4h`, `1d`, `1w`."""

import re
from datetime import timedelta

from crypto_features.errors import InputError

LONGEST = timedelta(days=36_500)
"""A duration that is longer than a century is a slip of the pen."""
_UNITS = {
    "w": timedelta(days=7),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


def duration(text: str) -> timedelta:
    """The duration that a text names.

    >>> duration("4h") / duration("90m")
    2.6666666666666665

    Raises:
        ValueError: if it names none, or more than a century.
    """
    match = re.fullmatch(r"(\d+)\s*([smhdw])", text)
    if not match:
        raise ValueError(f"{text!r} is not a duration; expected a number and s, m, h, d or w, such as 1h")
    count, unit = int(match[1]), _UNITS[match[2]]
    if count > LONGEST // unit:
        raise ValueError(f"{text!r} is too long; expected at most {LONGEST.days}d")
    return count * unit


def length(value: timedelta | str, what: str) -> timedelta:
    """A duration that a declaration gives as such or as a text.

    Raises:
        InputError: if it is a text that names none.
    """
    if isinstance(value, timedelta):
        return value
    try:
        return duration(value)
    except ValueError as error:
        raise InputError(f"{what}: {error}.") from None


def common(one: timedelta, other: timedelta) -> timedelta:
    """The longest duration that divides both.

    >>> common(timedelta(hours=6), timedelta(hours=4)) / timedelta(hours=1)
    2.0
    """
    while other:
        one, other = other, one % other
    return one


def spoken(time: timedelta) -> str:
    """A length of time for a person, in the unit that reads best.

    >>> spoken(timedelta(minutes=119)), spoken(timedelta(minutes=120)), spoken(timedelta(days=2))
    ('119 min', '2 h', '2 days')
    """
    if time < 2 * _UNITS["h"]:
        return f"{time // _UNITS['m']} min"
    return f"{time // _UNITS['h']} h" if time < 2 * _UNITS["d"] else f"{time // _UNITS['d']} days"


def timeframe(interval: timedelta) -> str:
    """The largest unit that divides an interval, with its count.

    >>> timeframe(timedelta(hours=4)), timeframe(timedelta(minutes=90))
    ('4h', '90m')
    """
    unit, length = next((unit, length) for unit, length in _UNITS.items() if not interval % length)
    return f"{interval // length}{unit}"
