"""Events: the bars at which something happened, instead of every bar."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from crypto_features.errors import InputError


def cusum(symbol: pl.Series, close: pl.Series, threshold: float | pl.Series) -> pl.Series:
    """The bars at which the price has moved by a threshold since the symbol's last event: the symmetric CUSUM filter.

    Two sums of log returns are kept, one that never falls below 0 and one that never rises above it. The one that
    passes the threshold gives an event and begins anew. So events depend on all bars since a symbol's first.
    Source: Marcos López de Prado, Advances in Financial Machine Learning, 2018, section 2.5.2.1.

    Args:
        symbol: Symbol of each bar; the bars of a symbol follow one another in time order.
        close: Close of each bar.
        threshold: A log return, or one for each bar, such as a multiple of its volatility. Where it is null there is
            no event.

    Returns:
        Whether each bar is an event.

    Raises:
        InputError: if a close is not above 0, a threshold is not above 0, or the columns differ in length.
    """
    limits = (
        threshold if isinstance(threshold, pl.Series) else pl.Series([float(threshold)] * len(close), dtype=pl.Float64)
    )
    if not len(symbol) == len(close) == len(limits):
        raise InputError(f"{len(symbol)} symbols, {len(close)} closes and {len(limits)} thresholds; expected one each.")
    if not (close > 0).all() or close.null_count():
        raise InputError("a close is null or not above 0, so it has no log return; leave such bars out.")
    if not (limits.drop_nulls() > 0).all():
        raise InputError("a threshold is not above 0; expected a log return such as 0.05, or null for no event.")
    moves = np.diff(np.log(close.cast(pl.Float64).to_numpy()), prepend=math.nan)
    first = (symbol != symbol.shift()).fill_null(value=True)
    steps = zip(first, moves.tolist(), limits.fill_null(math.inf), strict=True)
    return pl.Series("event", list(_events(steps)), dtype=pl.Boolean)


def _events(steps: Iterable[tuple[bool, float, float]]) -> Iterator[bool]:
    up = down = 0.0
    for first, move, limit in steps:
        up, down = (0.0, 0.0) if first else (max(0.0, up + move), min(0.0, down + move))
        if -down > limit:
            down = 0.0
            yield True
        elif up > limit:
            up = 0.0
            yield True
        else:
            yield False
