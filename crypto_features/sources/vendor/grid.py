"""Why candles do not open at multiples of their length in UTC, as far as time zones explain it, and what helps."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from crypto_features.durations import timeframe

_OF_EACH_OFFSET = (
    *("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Europe/London"),
    *("America/Los_Angeles", "America/Chicago", "America/Denver", "America/Sao_Paulo", "Europe/Athens"),
    *("Europe/Istanbul", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka", "Asia/Bangkok", "Australia/Sydney"),
    *("Asia/Tehran", "Asia/Kabul", "Asia/Yangon", "Asia/Kathmandu", "Australia/Adelaide", "Australia/Darwin"),
    *("Pacific/Auckland", "Pacific/Honolulu", "America/Anchorage", "America/Halifax", "America/St_Johns"),
    *("Asia/Colombo", "Pacific/Noumea", "Atlantic/Azores", "Pacific/Chatham", "Australia/Eucla"),
)
"""Zones to try, the likeliest first."""
_TRIED = 1_000


@dataclass(frozen=True)
class Zone:
    """Which zone the stamps of a file are of.

    Args:
        name: What a setting says; `None` if none does.
        in_stamps: Whether the stamps themselves say it, so that the setting changes nothing.
    """

    name: str | None = None
    in_stamps: bool = False


def off_grid(opens: pl.Series, length: timedelta, zone: Zone, where: str) -> str:
    """What is wrong with candles that open beside the multiples of their length, for an error."""
    candles, stamps = timeframe(length) if not length % timedelta(seconds=1) else str(length), _spread(opens)
    shifts = [shift for stamp in stamps if (shift := _shift(stamp, length))]
    late = max(shifts, key=shifts.count, default=timedelta(0))
    what = f"candles of {candles} do not open at multiples of their length in UTC, but {late} later"
    shorter = f"candles of {candles} in UTC cannot be made from them; take files of shorter ones"
    others = (
        "set CRYPTO_FEATURES_FILES_STAMPS if the stamps are of another form, or "
        "CRYPTO_FEATURES_FILES_COLUMNS=open_time=<column> if they stand in another column."
    )
    if zone.in_stamps:
        return f"{what}. If they are those of a local time, {shorter}. Else {others} {where}"
    if zone.name is not None:
        there = ZoneInfo(zone.name)
        local = [stamp.astimezone(there).replace(tzinfo=None) for stamp in stamps]
        if all(not _shift(stamp, length) for stamp in local):
            return (
                f"{what}: by CRYPTO_FEATURES_FILES_ZONE={zone.name} they are those of a local time, and {shorter}, "
                f"such as of {timeframe(_common(shifts, length))}. If their stamps are UTC already, unset it. {where}"
            )
        return f"{what}, by CRYPTO_FEATURES_FILES_ZONE={zone.name}. Name another zone, or {others} {where}"
    fitting = _fitting([stamp.replace(tzinfo=None) for stamp in stamps], length)
    if fitting is None:
        return f"{what}, which no time zone explains: {others} {where}"
    return (
        f"{what}. If the stamps are of a local time, name its zone by CRYPTO_FEATURES_FILES_ZONE, such as {fitting}; "
        f"else {others} {where}"
    )


def _spread(opens: pl.Series) -> list[datetime]:
    return opens.gather_every(max(len(opens) // _TRIED, 1)).to_list()


def _shift(stamp: datetime, length: timedelta) -> timedelta:
    return (stamp - datetime(1970, 1, 1, tzinfo=stamp.tzinfo)) % length


def _common(shifts: list[timedelta], length: timedelta) -> timedelta:
    """The longest candle that is a whole part of UTC's and of these, of which the common ones are made."""
    lengths = [timedelta(minutes=minutes) for minutes in (240, 120, 60, 30, 15, 5)]
    whole = (one for one in lengths if not length % one and one < length and not any(shift % one for shift in shifts))
    return next(whole, timedelta(minutes=1))


def _fitting(stamps: list[datetime], length: timedelta) -> str | None:
    """The likeliest zone by whose clock these candles, most of them at least, are on the grid of UTC."""

    def beside(name: str) -> int:
        there = ZoneInfo(name)
        return sum(bool(_shift(stamp - (there.utcoffset(stamp) or timedelta(0)), length)) for stamp in stamps)

    counts = {name: beside(name) for name in _OF_EACH_OFFSET}
    best = min(counts, key=counts.__getitem__)
    return best if counts[best] * 2 < len(stamps) else None
