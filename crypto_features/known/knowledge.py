"""When each version of a candle counts as known, and what was known at a time. Pure.

A history that was loaded in bulk was not unknown until then: the first version of a candle counts as known at its close
if it closed before its symbol was first seen, or came within a declared wait. A candle that came later, and every
correction, counts as known when it was seen. So does one that came in one fetch with the candles before it, after a
downtime: nobody had it without these.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features.compute.resample import WEEK, opens
from crypto_features.tables.months import month_span
from crypto_features.tables.raw_rows import RAW_KEY

DAY = timedelta(days=1)
TIME = pl.Datetime("us", "UTC")
LATE = pl.Schema({"symbol": pl.String(), "open_time": TIME, "known": TIME})


def with_known(
    versions: pl.DataFrame, interval: timedelta, wait: timedelta, first_seen: Mapping[str, datetime] | None = None
) -> pl.DataFrame:
    """Every version of each candle with `known`, the time (UTC) from which it counts as known.

    Args:
        versions: `symbol, open_time, known_at` and whatever else, sorted by these; a row for each version. The rows of
            a month need those that opened a wait before it beside them.
        interval: Length of a candle.
        wait: How long after its close a candle may come and still count as known at its close.
        first_seen: The least `known_at` of each symbol in the whole history; by default of these rows.
    """
    close, seen = pl.col("open_time") + interval, pl.col("known_at")
    first = pl.col("known_at").min().over("symbol")
    if first_seen is not None:
        first = pl.col("symbol").replace_strict(first_seen, default=None, return_dtype=TIME)
    original = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in RAW_KEY)
    fetch = pl.struct("symbol", pl.when(original).then(seen).forward_fill()).rle_id()
    marked = versions.with_columns(
        __original=original, __fetch=fetch, __late=original & (close > first) & (seen > close + wait)
    )
    in_time = pl.col("__original") & ~pl.col("__late").any().over("__fetch")
    known = pl.when(in_time).then(close).otherwise(pl.max_horizontal(close, seen))
    return marked.with_columns(known=known.cast(TIME)).drop("__original", "__fetch", "__late")


def candles_as_known(versions: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The candles that were known at a time, each in the version of then: one row for each symbol and open time.

    Args:
        versions: The rows of `with_known`.
        at: The time.
    """
    rows = versions.filter(pl.col("known") <= at)
    return rows.unique(RAW_KEY, keep="last", maintain_order=True).drop("known", "known_at")


def late(
    versions: pl.DataFrame,
    interval: timedelta,
    wait: timedelta,
    lengths: Collection[timedelta] = (DAY,),
    following: tuple[str, pl.DataFrame] | None = None,
) -> pl.DataFrame:
    """What became known after its close: late candles, corrections, and bars whose end was waited for.

    A bar is over once its last candle or a later one of the symbol is known, and otherwise a wait after its close.

    Args:
        versions: The rows of `with_known`, of one month.
        interval: Length of a candle.
        wait: How long after its close a bar without its last candle is waited for.
        lengths: Of the bars that are resampled from the candles.
        following: The month, and the rows of `with_known` of the next one, where its last week closes; without
            them no week is waited for.

    Returns:
        `symbol, open_time, known`: from the close of that candle until `known`, less or something else was known than
        is now.
    """
    candles = versions.select(*RAW_KEY, "known").filter(pl.col("known") > pl.col("open_time") + interval)
    awaited = [_awaited(versions, interval, wait, length).cast(LATE) for length in sorted({*lengths} - {WEEK})]
    if WEEK in lengths and following is not None:
        awaited.append(_awaited_weeks(versions, *following, interval, wait).cast(LATE))
    return pl.concat([candles.cast(LATE), *awaited])


def _awaited_weeks(
    versions: pl.DataFrame, month: str, following: pl.DataFrame, interval: timedelta, wait: timedelta
) -> pl.DataFrame:
    """The same of the weeks that open in a month."""
    start, end = month_span(month)
    both = pl.concat([versions, following.select(versions.columns)]).sort(*RAW_KEY, maintain_order=True)
    awaited = _awaited(both.filter(opens(pl.col("open_time"), WEEK) >= start), interval, wait, WEEK)
    return awaited.filter(opens(pl.col("open_time"), WEEK) < end)


def _awaited(versions: pl.DataFrame, interval: timedelta, wait: timedelta, length: timedelta) -> pl.DataFrame:
    """The last candle of each bar that had not come when the bar closed, and when the bar was over all the same."""
    first = versions.unique(RAW_KEY, keep="first", maintain_order=True)
    close = (opens(pl.col("open_time"), length) + length).alias("close")
    came = pl.col("known").filter(pl.col("open_time") + interval == close).first()
    bars = first.group_by("symbol", close, maintain_order=True).agg(came=came)
    bars = bars.filter(pl.col("came").is_null() | (pl.col("came") > pl.col("close")))
    if bars.is_empty():
        return LATE.to_frame()
    later = pl.col("known").reverse().cum_min().reverse().over("symbol")
    following = first.select("symbol", "open_time", later=later)
    return (
        bars.join_asof(
            following, left_on="close", right_on="open_time", by="symbol", strategy="forward", check_sortedness=False
        )
        .select(
            "symbol",
            open_time=pl.col("close") - interval,
            known=pl.min_horizontal("came", "later", pl.col("close") + wait),
        )
        .filter(pl.col("known") > pl.col("open_time") + interval)
    )


def model_in_force(month: str, versions: Sequence[tuple[str, datetime]], at: datetime) -> str | None:
    """The version of a month's fitted model that was known at a time; none before the month began.

    The first version counts as known when its month began, each later one when it was published.

    Args:
        month: The month, such as `"2024-01"`.
        versions: `(version, published_at)` of every version of that month.
        at: The time.
    """
    start, _ = month_span(month)
    ordered = sorted(versions, key=lambda version: version[1])
    known = [version for i, (version, published) in enumerate(ordered) if (published if i else start) <= at]
    return known[-1] if known else None
