"""Questions to a table of raw candles: which version counts, what is missing, what looks odd."""

import math
from datetime import datetime, timedelta

import polars as pl

from crypto_features.tables.order import in_order
from crypto_features.tables.raw_rows import RAW_KEY

WICK_RATIO = 3.0
"""A low below a third of the candle's body, or a high above three times of it, is flagged."""

HUGE_RETURN = 0.5
"""A log return of one candle, or of the jump before it, beyond this is flagged."""


def current(candles: pl.DataFrame, as_of: datetime | None = None) -> pl.DataFrame:
    """One row for each symbol and open time: the version known last, or known last at `as_of`.

    Args:
        candles: Raw candles with `known_at`.
        as_of: Forget what became known later than this time.

    Returns:
        The same columns, sorted by symbol and open time.
    """
    known = candles if as_of is None else candles.filter(pl.col("known_at") <= as_of)
    return known.sort(*RAW_KEY, "known_at").unique(RAW_KEY, keep="last", maintain_order=True)


def gaps(candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """Every run of missing candles between a symbol's first and last one.

    Returns:
        `symbol, from, to, missing`: open time of the first and of the last missing candle, and how many there are.
    """
    return (
        candles.select(RAW_KEY)
        .unique()
        .sort(RAW_KEY)
        .with_columns(step=pl.col("open_time").diff().over("symbol"))
        .filter(pl.col("step") > interval)
        .select(
            "symbol",
            (pl.col("open_time") - pl.col("step") + interval).alias("from"),
            (pl.col("open_time") - interval).alias("to"),
            missing=_candles(pl.col("step"), interval) - 1,
        )
    )


def coverage(candles: pl.DataFrame, interval: timedelta) -> pl.DataFrame:
    """The share of expected candles that is present, a symbol.

    Returns:
        `symbol, first, last, present, expected, share`: first and last open time, candles counted, how many there
        are from the first to the last, share 0 to 1.
    """
    first, last = pl.col("open_time").min(), pl.col("open_time").max()
    return (
        candles.group_by("symbol")
        .agg(
            first=first,
            last=last,
            present=pl.col("open_time").n_unique().cast(pl.Int64),
            expected=_candles(last + interval - first, interval),
        )
        .with_columns(share=pl.col("present") / pl.col("expected"))
        .sort("symbol")
    )


def flags(candles: pl.DataFrame) -> pl.DataFrame:
    """Candles that keep the contract and still look odd; they stay in the lake, for a person to judge.

    Args:
        candles: Candles of any number of symbols, one row for each symbol and open time.

    Returns:
        `symbol, open_time, flag, value`, sorted. `wick`: how many times the low lies below, or the high above, the
        body, from `WICK_RATIO` on. `huge_return`: the log return of the candle, or of the jump since the close of the
        symbol's candle before it, from `HUGE_RETURN` on, whichever is larger.
    """
    ordered = candles if in_order(candles, "open_time") else candles.sort(RAW_KEY)
    body_low, body_high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    calm = math.exp(HUGE_RETURN)
    listings = ordered["symbol"].rle().struct.field("len").cum_sum().shift(1, fill_value=0)
    return (
        ordered.select(
            *RAW_KEY,
            wick=pl.max_horizontal(body_low / pl.col("low"), pl.col("high") / body_high),
            jump=pl.col("open") / pl.col("close").shift(),
            move=pl.col("close") / pl.col("open"),
        )
        .with_row_index("row")
        .filter(
            (pl.col("wick") >= WICK_RATIO)
            | ~pl.col("move").is_between(1 / calm, calm, closed="none")
            | ~pl.col("jump").is_between(1 / calm, calm, closed="none")
        )
        .with_columns(jump=pl.when(~pl.col("row").is_in(listings.to_list())).then("jump"))
        .with_columns(huge_return=pl.when(_size("jump") > _size("move")).then("jump").otherwise("move").log())
        .select(
            *RAW_KEY,
            wick=pl.when(pl.col("wick") >= WICK_RATIO).then("wick"),
            huge_return=pl.when(pl.col("huge_return").abs() >= HUGE_RETURN).then("huge_return"),
        )
        .unpivot(index=RAW_KEY, variable_name="flag", value_name="value")
        .drop_nulls("value")
        .sort(*RAW_KEY, "flag")
    )


def _size(ratio: str) -> pl.Expr:
    return pl.col(ratio).log().abs().fill_null(0)


def _candles(span: pl.Expr, interval: timedelta) -> pl.Expr:
    return span.dt.total_microseconds() // (interval // timedelta(microseconds=1))
