"""The length of a candle as exchanges write it."""

from datetime import timedelta

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


def timeframe(interval: timedelta) -> str:
    """The largest unit that divides an interval, with its count.

    >>> timeframe(timedelta(hours=4)), timeframe(timedelta(minutes=90))
    ('4h', '90m')
    """
    unit, length = next((unit, length) for unit, length in _UNITS if not interval % length)
    return f"{interval // length}{unit}"
