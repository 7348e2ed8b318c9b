"""How far back a value reads: its window, of bars that may lie further apart where some are missing.

A symbol that was away for longer than `ABSENCE` starts over. Otherwise its last `window` bars decide a value, or all of
them while there are fewer, if they lie within the length of so many bars and `ABSENCE` more; else the value is null.
Whether a symbol started over shows in another `ABSENCE` before that. So what lies within `span` before a value decides
it, and a month computed alone equals ten years to the bit.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl

ABSENCE = timedelta(days=31)
"""How much of a window may be missing, and how long a symbol may be away without starting over."""


def span(window: int, bar: timedelta) -> timedelta:
    """How long before a bar's close other bars decide a value of it.

    Args:
        window: Bars that decide a value.
        bar: Length of a bar.
    """
    return window * bar + 2 * ABSENCE if window > 1 else timedelta(0)


def beginnings(bars: pl.DataFrame, time: str) -> pl.Series:
    """Whether each bar is the first of its symbol, or of its symbol since it was away for too long.

    Args:
        bars: Bars by symbol and time.
        time: The column of their times.
    """
    symbols, times = bars["symbol"], bars[time].to_physical().to_numpy()
    first = np.ones(len(times), np.bool_)
    first[1:] = symbols[1:].ne_missing(symbols[:-1]).to_numpy() | (np.diff(times) > ABSENCE // timedelta.resolution)
    return pl.Series(first)


def spells(bars: pl.DataFrame, time: str) -> list[pl.DataFrame]:
    """The bars of each symbol, parted where it was away for too long; one empty part if there are none.

    Args:
        bars: Bars by symbol and time.
        time: The column of their times.
    """
    first = beginnings(bars, time).arg_true()
    return [bars[start:end] for start, end in pairwise([*first, len(bars)])] or [bars]


def all_fit(bars: pl.DataFrame, time: str, bar: timedelta) -> bool:
    """Whether no spell lacks so many bars that a window could reach back too far.

    Args:
        bars: Bars by symbol and time.
        time: The column of their times.
        bar: Length of a bar.
    """
    times = bars[time].to_physical().to_numpy()
    starts = np.asarray(beginnings(bars, time).arg_true())
    ends = np.append(starts[1:], len(times))
    most = (ends - starts) * (bar // timedelta.resolution) + ABSENCE // timedelta.resolution
    return bool((times[ends - 1] - times[starts] < most).all())


def within_reach(spell: pl.DataFrame, time: str, bar: timedelta, windows: Iterable[tuple[str, int]]) -> pl.DataFrame:
    """The rows of a spell, where each column is null wherever its window reaches back too far.

    Args:
        spell: Bars of one symbol that was never away for too long.
        time: The column of their times.
        bar: Length of a bar.
        windows: Columns, and the window of each.
    """
    times = spell[time]
    if not len(times) or times[-1] - times[0] < len(times) * bar + ABSENCE:  # no window lacks more than that.
        return spell
    return spell.with_columns(
        pl.when(fits(pl.col(time), window, bar)).then(pl.col(name)).alias(name)
        for name, window in windows
        if window > 1
    )


def fits(time: pl.Expr, window: int, bar: timedelta) -> pl.Expr:
    """Whether the bars of a window lie close enough, or those of the spell while there are fewer."""
    oldest = pl.coalesce(time.shift(window - 1), time.first())
    return time - oldest < window * bar + ABSENCE
