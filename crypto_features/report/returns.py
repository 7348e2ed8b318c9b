"""What followed each bar, returns from its close on or a label: nobody knew it when the feature was computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from crypto_features.errors import InputError
from crypto_features.report.cells import MICROSECOND, Cells, finite
from crypto_features.report.ranks import Floats
from crypto_features.tables.dtypes import TIME


@dataclass(frozen=True, eq=False)
class ForwardReturns:
    """Returns after the close of bars, as matrices of times by symbols; NaN where a close is missing.

    Args:
        cells: The times by the symbols.
        bar: Length of a bar.
        stride: How many bars lie between one time and the next.
        after: By horizon in bars, the close that long after each time over the close at it, − 1.
        later: By delay in bars, the return over the shortest horizon that begins so much later.
        regimes: The regime of each time, as it was known then; null where none is known.
    """

    cells: Cells
    bar: timedelta
    stride: int
    after: Mapping[int, Floats]
    later: Mapping[int, Floats]
    regimes: pl.Series


def forward_returns(
    closes: pl.DataFrame,
    *,
    bar: timedelta,
    horizons: Sequence[int],
    delays: Sequence[int] = (),
    regimes: pl.DataFrame | None = None,
    most_times: int | None = None,
) -> ForwardReturns:
    """The returns after each close.

    Args:
        closes: `symbol`, `event_timestamp` (when the bar closed, UTC) and `close`; one row per symbol and bar.
        bar: Length of a bar.
        horizons: Over how many bars, each at least 1, shortest first.
        delays: In bars, each at least 0.
        regimes: `event_timestamp` and `regime`, in time order: a time has the newest one that was known at it.
        most_times: Of more times only every second, third, ... is looked at, counted from the newest; `None` for all.

    Returns:
        A return over `h` bars is that over `h` times the length of a bar, whatever bars are missing in between.

    Raises:
        InputError: if a horizon is under 1, or reaches beyond the data.
    """
    _check(horizons, closes["event_timestamp"], bar)
    cells, stride = _grid(closes, bar, most_times)
    first = min(horizons)
    delayed = {*delays, *(delay + first for delay in delays)}
    placed = cells.placed(closes)
    moved = {bars: placed(closes["close"], bars * bar) for bars in sorted({0, *horizons, *delayed})}
    with np.errstate(divide="ignore", invalid="ignore"):
        after = {horizon: finite(moved[horizon] / moved[0] - 1) for horizon in horizons}
        later = {delay: finite(moved[delay + first] / moved[delay] - 1) for delay in delays}
    return ForwardReturns(cells, bar, stride, after, later, _known(cells.times, regimes, bar))


def label_outcomes(
    labels: pl.DataFrame,
    *,
    bar: timedelta,
    horizon: int,
    delays: Sequence[int] = (),
    regimes: pl.DataFrame | None = None,
    most_times: int | None = None,
) -> ForwardReturns:
    """The labels in the place of returns.

    Args:
        labels: `symbol`, `event_timestamp` (when the bar closed from which the label looks ahead, UTC) and `label`, a
            number or truth value; null where there is none, as where its horizon passes the end of the data.
        bar: Length of a bar.
        horizon: How many bars a label looks ahead at most.
        delays: In bars, each at least 0: a label that is so much later is that of the bar so much later.
        regimes: As `forward_returns` takes them.
        most_times: As `forward_returns` takes it.
    """
    cells, stride = _grid(labels, bar, most_times)
    placed = cells.placed(labels)
    later = {delay: placed(labels["label"], delay * bar) for delay in {0, *delays}}
    return ForwardReturns(
        cells, bar, stride, {horizon: later[0]}, {d: later[d] for d in delays}, _known(cells.times, regimes, bar)
    )


def _grid(rows: pl.DataFrame, bar: timedelta, most_times: int | None) -> tuple[Cells, int]:
    """Times of a regular grid, so that a neighbour is always as far away, and how many bars that is."""
    every = rows["event_timestamp"].unique().sort()
    stride = 1 if most_times is None else max(1, -(-len(every) // most_times))
    age = (pl.col("event_timestamp").max() - pl.col("event_timestamp")).dt.total_microseconds()
    times = every.to_frame().filter(age % (stride * bar // MICROSECOND) == 0).to_series()
    return Cells(times, rows["symbol"].unique().sort()), stride


def _check(horizons: Sequence[int], times: pl.Series, bar: timedelta) -> None:
    if not horizons or min(horizons) < 1:
        raise InputError(f"horizons={[*horizons]}: expected numbers of bars, each at least 1, such as [1, 5, 20].")
    first, last = times.min(), times.max()
    bars = (last - first) // bar + 1 if isinstance(first, datetime) and isinstance(last, datetime) else 0
    if max(horizons) >= bars:
        raise InputError(
            f"a horizon of {max(horizons)} bars is longer than the data, which has closes of {bars} bars; choose a "
            "shorter one, or fetch a longer history."
        )


def _known(times: pl.Series, regimes: pl.DataFrame | None, bar: timedelta) -> pl.Series:
    if regimes is None or regimes.is_empty():
        return pl.Series("regime", [None] * len(times), dtype=pl.String)
    oldest = max(timedelta(days=2), 2 * bar)  # an older one belongs to a market that is over.
    found = times.to_frame().join_asof(
        regimes.select(pl.col("event_timestamp").cast(TIME), "regime"), on="event_timestamp", tolerance=oldest
    )
    return found["regime"]
