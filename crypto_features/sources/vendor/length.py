"""The length of a file's candles, from the times at which they opened: intervals without a trade may have no row."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.durations import timeframe
from crypto_features.errors import InputError
from crypto_features.sources.vendor.grid import Zone, off_grid

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_MOST = 0.5
_STRETCH = 32
"""So many steps of an illiquid market have no common divisor but the candle's length."""
_FEW = 3
"""Fewer steps prove nothing."""
_RUN = 6
"""So many equal steps in a row may be candles of another length."""
_CHANCE = 1e-6
"""Unless holes of that size are so common that chance puts as many in a row."""
_STRAY = 4
"""So many steps in a row may be shorter than a candle: rows beside the grid, which the contract rejects."""
_CLOSING = (10**6, 10**3, 1)
"""How long before its end a vendor may stamp a candle: 23:59:59, 23:59:59.999 or .999999."""


@dataclass(frozen=True)
class Length:
    """How long a file's candles are.

    Args:
        interval: The length.
        is_certain: Whether the times prove it: the step of a few candles with holes may be a multiple.
        late: How much later than its open time a candle is stamped, if it is stamped at its last moment.
    """

    interval: timedelta
    is_certain: bool = True
    late: timedelta = timedelta(0)


def candle_length(
    opens: pl.Series, decided: timedelta | None, named: timedelta | None, zone: Zone, where: str
) -> Length | None:
    """The greatest step that leads from candle to candle, over stretches, so that a stray row does not shorten it.

    Args:
        opens: Open times, each once, sorted, in UTC.
        decided: What a setting says; then holes are holes, however regular.
        named: What the file's name says.
        zone: Which zone the stamps are of.
        where: The file and its first rows, for errors.

    Returns:
        The length; `None` if there are fewer than two candles, and nothing says it.

    Raises:
        InputError: if candles of several lengths are mixed, or most do not open at a multiple of their length.
    """
    times = opens.to_physical().to_numpy()
    steps, stated = np.diff(times), decided or named
    length = stated // _MICROSECOND if stated else _of(steps)
    if length is None:
        return None
    own = _of(steps)
    is_certain = len(steps) >= _STRETCH or (len(steps) >= _FEW and bool(np.mean(steps == own) > _MOST))
    if own is not None and is_certain and not decided:
        if named and own != length:
            raise InputError(
                f"the file's name says candles of {_shown(length)}, and they are {_shown(own)} apart; rename it, or "
                f"set CRYPTO_FEATURES_FILES_INTERVAL. {where}"
            )
        if length < _DAY and _DAY % length:
            raise InputError(
                f"the stamps are {_shown(length)} apart, which is not the length of a candle: they may be rounded, as "
                f"spreadsheets show long numbers (1.70407E+12). Save the file with whole stamps. {where}"
            )
    late = _late(times, length)
    if late is None:
        raise InputError(off_grid(opens, length * _MICROSECOND, zone, where))
    if mixed := None if decided or not len(steps) else _mixed(steps, length):
        at, other = mixed
        raise InputError(
            f"candles of {_shown(length)} and of {_shown(other)} are mixed, as near {opens[at]}; split the file by "
            "their length. If all are of one length with holes between them, set CRYPTO_FEATURES_FILES_INTERVAL to "
            f"it. {where}"
        )
    return Length(length * _MICROSECOND, bool(stated) or is_certain, late * _MICROSECOND)


def _of(steps: npt.NDArray[np.int64]) -> int | None:
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    if counts.max() > _MOST * len(steps):
        return int(values[counts.argmax()])
    found, times = np.unique(_divisors(steps), return_counts=True)
    return int(found[times.argmax()])


def _divisors(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    found, width = steps, 1
    while width < _STRETCH and len(found) > width:
        found = np.gcd(found[:-width], found[width:])
        width *= 2
    return found if width == _STRETCH else np.array([np.gcd.reduce(steps)])


def _late(times: npt.NDArray[np.int64], length: int) -> int | None:
    """0 if candles are stamped when they open, more if at their last moment; `None` if most, or a run, are beside."""
    shift = times % length
    closing = next((length - left for left in _CLOSING if np.all(shift == length - left)), 0)
    if closing or _DAY % length:
        return closing
    beside = _runs((np.diff(times) == length) & (shift[1:] != 0))  # in part of the year, as a local clock's.
    return None if np.mean(shift != 0) > _MOST or np.max(beside, initial=0) >= _RUN else 0


def _mixed(steps: npt.NDArray[np.int64], length: int) -> tuple[int, int] | None:
    """Where candles of another length are, and their length."""
    short = _runs(steps < length)
    if short.max() > _STRAY:
        return int(short.argmax()), int(np.min(steps[steps < length]))
    equal = _runs(np.append(steps[:1] > length, (steps[1:] == steps[:-1]) & (steps[1:] > length)))
    run, at = int(equal.max()) + 1, int(equal.argmax())
    elsewhere = max(float(np.sum(steps == steps[at]) - run) / len(steps), 0.0)
    if run >= _RUN and elsewhere**run * len(steps) < _CHANCE:
        return at, int(steps[at])
    stretches = _divisors(steps) if len(steps) >= _STRETCH else steps[:0]
    return (int(stretches.argmax()), int(stretches.max())) if np.any(stretches > length) else None


def _runs(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each place, how many flags in a row end there."""
    count = np.cumsum(flags)
    return count - np.maximum.accumulate(np.where(flags, 0, count))


def _shown(length: int) -> str:
    interval = length * _MICROSECOND
    return timeframe(interval) if not interval % timedelta(seconds=1) else str(interval)
