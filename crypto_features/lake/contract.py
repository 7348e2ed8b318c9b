"""What a candle must be: good rows go to the lake, the others to the quarantine with the rules that they break."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.lake.order import in_order

CANDLE_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "open_time": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "completeness": pl.Float64(),
    }
)
"""A candle: prices in the quote currency, volume in the base asset, and the share, 0 to 1, of the shortest candles seen
that it was made from; 1 where the source gives the candle itself."""
KEY = ("symbol", "open_time")
PRICES = ("open", "high", "low", "close")


def in_candle_schema(candles: pl.DataFrame) -> pl.DataFrame:
    """The same candles, with the `completeness` of 1 that a source may leave out."""
    if "completeness" in candles.columns:
        return candles
    return candles.with_columns(completeness=pl.lit(1.0))


def validate(candles: pl.DataFrame, interval: timedelta, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split candles into those that keep the contract and those that break it.

    The rules: no null, NaN or infinity; positive prices; no negative volume; a `completeness` above 0 and up to 1;
    `high_bounds` and `low_bounds` (no open or close outside them); `on_grid` (an open time is a multiple of the
    interval since midnight UTC); `is_over` (no candle closes after `now`); `primary_key` (of different candles for one
    symbol and time none is taken); `repeated` (of equal ones a single one is taken).

    Args:
        candles: Rows in `CANDLE_SCHEMA`, in any order.
        interval: Length of a candle.
        now: The time at which they were fetched.

    Returns:
        The good rows, sorted by symbol and time, and the rejected ones with a column `rule`, such as `open|nan`.

    Raises:
        InputError: if a column is missing or has another type.
    """
    if candles.schema != CANDLE_SCHEMA:
        raise InputError(f"candles are {dict(candles.schema)}; expected {dict(CANDLE_SCHEMA)}.")
    ordered = in_order(candles, "open_time")
    candles, copies = (candles, candles.clear()) if ordered else _without_copies(candles)
    good, failures = _contract(interval, now, unique=ordered).filter(candles)
    rejected = [copies.with_columns(rule=pl.lit("repeated"))] if copies.height else []
    if good.height < candles.height:
        details = failures.details()
        rules = [name for name in details.columns if name not in candles.columns]
        broken = [pl.when(pl.col(name).cast(pl.String) == "invalid").then(pl.lit(name)) for name in rules]
        rejected.append(details.select(*candles.columns, rule=pl.concat_str(broken, separator=", ", ignore_nulls=True)))
    good = good if ordered else good.sort(KEY)
    return good, pl.concat(rejected or [good.clear().with_columns(rule=pl.lit(""))])


def _without_copies(candles: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    copy = pl.int_range(pl.len()).over(candles.columns) > 0
    return candles.filter(~copy), candles.filter(copy)


def _contract(interval: timedelta, now: datetime, *, unique: bool) -> Any:
    import dataframely as dy  # it takes a second, which only a run that has fetched something pays.

    class Candle(dy.Schema):
        symbol = dy.String(primary_key=not unique)
        open_time = dy.Datetime(primary_key=not unique, time_unit="us", time_zone="UTC")
        open = dy.Float64(min_exclusive=0)
        high = dy.Float64(min_exclusive=0)
        low = dy.Float64(min_exclusive=0)
        close = dy.Float64(min_exclusive=0)
        volume = dy.Float64(min=0)
        completeness = dy.Float64(min_exclusive=0, max=1)

        @dy.rule()
        def high_bounds(cls) -> pl.Expr:  # noqa: N805 - dataframely passes the class.
            return pl.col("high") >= pl.max_horizontal("open", "low", "close")

        @dy.rule()
        def low_bounds(cls) -> pl.Expr:  # noqa: N805 - as above.
            return pl.col("low") <= pl.min_horizontal("open", "high", "close")

        @dy.rule()
        def on_grid(cls) -> pl.Expr:  # noqa: N805 - as above.
            return pl.col("open_time").to_physical() % (interval // timedelta(microseconds=1)) == 0

        @dy.rule()
        def is_over(cls) -> pl.Expr:  # noqa: N805 - as above.
            return pl.col("open_time") + interval <= now

    return Candle
