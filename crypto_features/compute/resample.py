"""Longer candles from shorter ones, as exchanges build them: from the candles that exist, of bars that are over."""

from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import InputError

WAITS_UNTIL = "waits_until"
"""Metadata key: the time from which the same candles would give a month more bars, ISO 8601."""

AT_ONCE = timedelta(0)
WEEK = timedelta(days=7)
"""Weeks begin on Mondays at 00:00 UTC, as exchanges have them."""


def opens(time: pl.Expr, length: timedelta) -> pl.Expr:
    """When the bar opens that holds a time.

    Args:
        time: Times in UTC.
        length: Length of a bar: it divides a day, or is `WEEK`.
    """
    return time.dt.truncate("1w" if length == WEEK else length)  # seven days are counted from a Thursday.


def resample(
    candles: pl.DataFrame,
    interval_from: timedelta,
    interval_to: timedelta,
    as_of: datetime | None = None,
    wait: timedelta = AT_ONCE,
) -> pl.DataFrame:
    """Candles of a longer interval, each from the shorter ones that exist in it; nothing is filled in.

    A bar is over, each symbol by itself, once its last candle or a later one is there, and otherwise `wait` after its
    close: a symbol that is late is waited for, and holds up no other.

    Args:
        candles: `symbol, open_time, open, high, low, close, volume`, and `completeness` unless all are whole; one row
            for each symbol and time.
        interval_from: Length of the candles handed in.
        interval_to: Length of the candles wanted; `interval_from` must divide it.
        as_of: The time of the clock: a bar that closes later is left out. By default each symbol's own newest close.
        wait: How long after a bar's close its missing candles may still come.

    Returns:
        `symbol, open_time, open, high, low, close, volume, completeness` (share, 0 to 1, of the shortest candles that
        were present), sorted by symbol and time.

    Raises:
        InputError: if the intervals do not divide.
    """
    _check(interval_from, interval_to)
    own = pl.col("open_time").max().over("symbol") + interval_from
    until = own if as_of is None else pl.lit(as_of)
    return resample_each(candles.with_columns(as_of=until), interval_from, interval_to, wait)


def waits_until(
    candles: pl.DataFrame,
    interval_from: timedelta,
    interval_to: timedelta,
    *,
    as_of: datetime,
    wait: timedelta,
    before: datetime | None = None,
) -> datetime | None:
    """The earliest time at which `resample`, of the same arguments, would give one bar more; none if all are over.

    Args:
        candles: As `resample` takes them.
        interval_from: Length of the candles.
        interval_to: Length of the bars.
        as_of: The time of the clock.
        wait: How long after a bar's close its missing candles may still come.
        before: Only of bars that open before this time; by default of all.
    """
    _check(interval_from, interval_to)
    bars = _bars(candles.with_columns(as_of=pl.lit(as_of)), interval_from, interval_to, wait)
    close = pl.col("open_time") + interval_to
    certain = pl.col("last") + interval_from == close
    due = pl.when(certain | pl.col("followed")).then(close).otherwise(close + wait)
    wanted = ~pl.col("over") if before is None else ~pl.col("over") & (pl.col("open_time") < before)
    first = bars.filter(wanted).select(due.min()).item()
    return first if isinstance(first, datetime) else None


def resample_each(
    candles: pl.DataFrame, interval_from: timedelta, interval_to: timedelta, wait: timedelta = AT_ONCE
) -> pl.DataFrame:
    """`resample` of many markets at once, each row with the time `as_of` which its own market had reached."""
    bars = _bars(candles, interval_from, interval_to, wait).filter("over")
    # Polars multiplies a column by the reciprocal of a scalar, except in a frame of one row: other last bits.
    share = pl.Series("completeness", bars["present"].to_numpy() / (interval_to // interval_from), dtype=pl.Float64)
    return bars.drop("present", "last", "followed", "over").with_columns(share)


def _bars(candles: pl.DataFrame, interval_from: timedelta, interval_to: timedelta, wait: timedelta) -> pl.DataFrame:
    """Every bar that has a candle, and whether it is over."""
    close = pl.col("open_time") + interval_to
    certain = (pl.col("last") + interval_from == close) | pl.col("followed")
    return (
        candles.sort("symbol", "open_time")
        .with_columns(pl.col("symbol").cast(pl.String), pl.col("open_time").cast(pl.Datetime("us", "UTC")))
        .with_columns(opens(pl.col("open_time"), interval_to), at="open_time")
        .group_by("symbol", "open_time", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            present=pl.col("completeness").sum() if "completeness" in candles.columns else pl.len(),
            last=pl.col("at").last(),
            as_of=pl.col("as_of").last(),
        )
        .with_columns(followed=pl.col("open_time") < pl.col("open_time").max().over("symbol"))
        .with_columns(over=(close <= pl.col("as_of")) & (certain | (close + wait <= pl.col("as_of"))))
        .drop("as_of")
    )


def _check(interval_from: timedelta, interval_to: timedelta) -> None:
    if interval_from <= timedelta(0) or interval_to % interval_from:
        raise InputError(
            f"{interval_from} does not divide {interval_to}: candles cannot be resampled without splitting."
        )
