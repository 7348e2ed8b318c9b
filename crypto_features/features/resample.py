"""Daily candles from base candles, as exchanges build them: from the candles that exist, of days that are over."""

from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import InputError


def resample(
    candles: pl.DataFrame, interval_from: timedelta, interval_to: timedelta, as_of: datetime | None = None
) -> pl.DataFrame:
    """Candles of a longer interval, each from the shorter ones that exist in it; nothing is filled in.

    Args:
        candles: `symbol, open_time, open, high, low, close, volume`; one row for each symbol and time.
        interval_from: Length of the candles handed in.
        interval_to: Length of the candles wanted; `interval_from` must divide it.
        as_of: The time up to which candles were collected: a period that is not over by then is left out. By default
            the close of the newest candle, of whatever symbol.

    Returns:
        `symbol, open_time, open, high, low, close, volume, completeness` (candles present / expected, 0 to 1), sorted
        by symbol and time.

    Raises:
        InputError: if the intervals do not divide.
    """
    if interval_from <= timedelta(0) or interval_to % interval_from:
        raise InputError(
            f"{interval_from} does not divide {interval_to}: candles cannot be resampled without splitting."
        )
    end = candles["open_time"].max() if len(candles) else None
    if as_of is None and isinstance(end, datetime):
        as_of = end + interval_from
    return resample_each(candles.with_columns(as_of=pl.lit(as_of)), interval_from, interval_to)


def resample_each(candles: pl.DataFrame, interval_from: timedelta, interval_to: timedelta) -> pl.DataFrame:
    """`resample` of many markets at once, each row with the time `as_of` which its own market had reached."""
    days = (
        candles.sort("symbol", "open_time")
        .with_columns(pl.col("symbol").cast(pl.String), pl.col("open_time").cast(pl.Datetime("us", "UTC")))
        .with_columns(pl.col("open_time").dt.truncate(interval_to))
        .filter(pl.col("open_time") + interval_to <= pl.col("as_of"))
        .group_by("symbol", "open_time", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            present=pl.len(),
        )
    )
    # Polars multiplies a column by the reciprocal of a scalar, except in a frame of one row: other last bits.
    share = pl.Series("completeness", days["present"].to_numpy() / (interval_to // interval_from), dtype=pl.Float64)
    return days.drop("present").with_columns(share)
