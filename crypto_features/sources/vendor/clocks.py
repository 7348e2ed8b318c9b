"""Whether times are those of a local clock: in spring an hour is missing, in autumn one occurs twice."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.errors import InputError

_HOUR = timedelta(hours=1)
_FIRST_YEAR, _LAST_YEAR = 2008, 2040
_ZONES = (
    *("America/New_York", "Europe/Berlin", "Europe/London", "Europe/Athens", "Australia/Sydney", "Pacific/Auckland"),
    *("America/Sao_Paulo", "America/Santiago", "Asia/Jerusalem", "Asia/Tehran"),
)
"""One of each rule: the clocks of Chicago and New York change at the same local times."""


def refuse_local(opens: pl.DataFrame, length: timedelta, where: str) -> None:
    """Refuse times without a zone that change as a local clock does: they are not UTC.

    Args:
        opens: `open_time` of one market, sorted and each once, and `rows`, how many candles have it.
        length: Length of a candle.
        where: The file and its first rows, for errors.

    Raises:
        InputError: if an hour is missing or repeated, and no other one near it, at a change of some zone's clocks, and
            the file has no hour that this zone skips.
    """
    if length > _HOUR or _HOUR % length or opens.height <= 1:
        return
    times = opens["open_time"].dt.replace_time_zone(None)
    first, last = times[0], times[-1]
    stamps, counts = times.to_numpy(), opens["rows"].to_numpy()

    def rows(start: datetime, over: timedelta = _HOUR) -> npt.NDArray[np.int64]:
        wanted = np.arange(np.datetime64(start, "us"), np.datetime64(start + over, "us"), np.timedelta64(length))
        at = np.searchsorted(stamps, wanted).clip(max=len(stamps) - 1)
        return np.where(stamps[at] == wanted, counts[at], 0)

    for zone in _ZONES:
        skipped, repeated = ([at for at in changes if first < at < last] for changes in _changes(zone))
        if any(rows(at).any() for at in skipped):
            continue
        holes = [at for at in skipped if rows(at - length, length).all() and rows(at + _HOUR, length).all()]
        twice = [at for at in repeated if _is_repeated(rows(at - _HOUR), rows(at), rows(at + _HOUR))]
        if holes or twice:
            what = f"the hour of {twice[0]} occurs twice" if twice else f"the hour of {holes[0]} is missing"
            raise InputError(
                f"{what}, as on the clocks of {zone}: the stamps seem to be of a local time. Name its zone by "
                f"CRYPTO_FEATURES_FILES_ZONE, such as {zone}, or UTC if they are UTC. {where}"
            )


def _is_repeated(before: npt.NDArray[np.int64], hour: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> bool:
    """Whether most candles of an hour are there twice, and none of the hours beside it."""
    return bool(np.sum(hour > 1) > np.sum(hour == 1)) and not np.any(before > 1) and not np.any(after > 1)


@cache
def _changes(zone: str) -> tuple[list[datetime], list[datetime]]:
    """The local times at which an hour begins that a zone's clocks skip, and those of the hours that they repeat."""
    there, skipped, repeated = ZoneInfo(zone), list[datetime](), list[datetime]()
    start, days = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), (_LAST_YEAR - _FIRST_YEAR) * 366
    offsets = [(start + timedelta(days=day)).astimezone(there).utcoffset() or timedelta(0) for day in range(days)]
    for day in (day for day in range(days - 1) if offsets[day] != offsets[day + 1]):
        for hour in range(24):
            before = start + timedelta(days=day, hours=hour)
            local, next_local = (time.astimezone(there).replace(tzinfo=None) for time in (before, before + _HOUR))
            if next_local - local == 2 * _HOUR:
                skipped.append(next_local - _HOUR)
            elif next_local == local:
                repeated.append(local)
    return skipped, repeated
