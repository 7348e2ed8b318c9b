"""Why a value is another one than at an earlier time.

The value is computed as the lake was then, and again with one more kind of what has happened since: corrections, late
candles, new symbols, and fitted models. The difference that a step makes is that kind's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from crypto_features.explanation.facts import Cause, Change, same
from crypto_features.known.history import FittedVersion

SHOWN = 3
Admitted = Callable[[pl.DataFrame], pl.DataFrame]
"""Which versions of raw rows are seen."""
Value = Callable[[Admitted, datetime | None, datetime | None], object]
"""`value(admitted, now, models_at)`: the value of one row from some versions of raw rows, with the clock at a time and
the fitted models of a time; `None` for the present."""

_FIRST = pl.col("known_at").min().over("symbol", "open_time")


class _Step(NamedTuple):
    change: Change
    what: tuple[str, ...]
    admitted: Admitted
    now: datetime | None
    models_at: datetime | None


def causes(
    value: Value,
    candles: pl.DataFrame,
    fitted: Mapping[str, Sequence[FittedVersion]],
    time: datetime,
    since: datetime,
) -> Iterator[Cause]:
    """What has changed the value of one row since a time, in the order in which it is counted.

    Args:
        value: Computes the value.
        candles: Every version of the raw rows that decide it.
        fitted: The versions of the models that it reads, as `<model> <month>`, oldest first.
        time: The time of the row.
        since: The earlier time, not before `time`.
    """
    known, late = pl.col("known_at") <= since, (since < _FIRST) & (pl.col("open_time") < time)
    then = frozenset(candles.filter(known)["symbol"])
    new = tuple(sorted({*candles.filter(late)["symbol"]} - then))
    steps = (
        _Step(Change.CORRECTION, _shown(candles.filter(~known & (since >= _FIRST))), _corrected(since), since, since),
        _Step(Change.LATE, _shown(candles.filter(late & pl.col("symbol").is_in(then))), _of(then), None, since),
        _Step(Change.UNIVERSE, new, _all, None, since),
        _Step(Change.FIT, tuple(_replaced(fitted, since)), _all, None, None),
    )
    last = value(lambda rows: rows.filter(known), since, since)
    for step in steps:
        found = value(step.admitted, step.now, step.models_at)
        if not same(found, last):
            yield Cause(step.change, step.what, last, found)
        last = found


def _corrected(since: datetime) -> Admitted:
    return lambda rows: rows.filter(since >= _FIRST)


def _of(symbols: frozenset[str]) -> Admitted:
    return lambda rows: rows.filter(pl.col("symbol").is_in(symbols))


def _all(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def _shown(rows: pl.DataFrame) -> tuple[str, ...]:
    """The first of some candles, and how many more there are."""
    keys = rows.select("symbol", "open_time").unique(maintain_order=True)
    first = [f"{symbol} {opened:%Y-%m-%d %H:%M}" for symbol, opened in keys.head(SHOWN).iter_rows()]
    return (*first, f"{keys.height - SHOWN} more") if keys.height > SHOWN else tuple(first)


def _replaced(fitted: Mapping[str, Sequence[FittedVersion]], since: datetime) -> Iterator[str]:
    for name, versions in fitted.items():
        if len(versions) > 1 and versions[-1].published_at > since:
            yield f"{name}, fitted again {versions[-1].published_at:%Y-%m-%d %H:%M}"
