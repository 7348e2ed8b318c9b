"""What a raw row must be: good rows go to the lake, the others to the quarantine with the rules that they break."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.dtypes import moment
from crypto_features.tables.order import in_order
from crypto_features.tables.raw_rows import RAW_KEY, Column, RawRows

CANDLE_SCHEMA = CANDLES.schema
"""A candle: prices in the quote currency, volume in the base asset, and the share, 0 to 1, of the shortest candles seen
that it was made from; 1 where the source gives the candle itself."""
PRICES = ("open", "high", "low", "close")


def in_schema(rows: pl.DataFrame, kind: RawRows = CANDLES) -> pl.DataFrame:
    """The same rows, with the default of each column that has one and is left out, as `completeness` may be."""
    defaults = {column.name: column.default for column in kind.columns if column.default is not None}
    missing = {name: pl.lit(value) for name, value in defaults.items() if name not in rows.columns}
    if not missing:
        return rows
    return rows.with_columns(**missing).select(name for name in kind.full_schema if name in {*rows.columns, *missing})


def validate(
    rows: pl.DataFrame, interval: timedelta, now: datetime, kind: RawRows = CANDLES
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those that keep the contract and those that break it.

    The rules of every kind: no NaN or infinity; no null but where a column may be empty; the bounds of each column; the
    rules that the kind declares, such as `high_bounds` and `low_bounds` of candles; `on_grid`, if its times lie on one
    (a multiple of its step since midnight UTC); `is_over` (nothing is known later than `now`); `primary_key` (of
    different rows for one symbol and time none is taken); `repeated` (of equal ones a single one is taken).

    Args:
        rows: Rows in the schema of the kind, in any order.
        interval: Length of a base candle.
        now: The time at which they were fetched.
        kind: What the rows are.

    Returns:
        The good rows, sorted by symbol and time, and the rejected ones with a column `rule`, such as `open|nan`.

    Raises:
        InputError: if a column is missing or has another type.
    """
    expected, further = kind.schema, kind.full_schema
    given = pl.Schema({name: dtype for name, dtype in further.items() if name in rows.columns or name in expected})
    if rows.schema != given:
        raise InputError(f"{kind.name} are {dict(rows.schema)}; expected {dict(given)}.")
    ordered = in_order(rows, "open_time")
    rows, copies = (rows, rows.clear()) if ordered else _without_copies(rows)
    if ordered and keeps(rows, interval, now, kind):
        return rows, copies.with_columns(rule=pl.lit(""))
    good, failures = _contract(kind, rows.columns, interval, now, unique=ordered).filter(rows)
    rejected = [copies.with_columns(rule=pl.lit("repeated"))] if copies.height else []
    if good.height < rows.height:
        details = failures.details()
        rules = [name for name in details.columns if name not in rows.columns]
        broken = [pl.when(pl.col(name).cast(pl.String) == "invalid").then(pl.lit(name)) for name in rules]
        rejected.append(details.select(*rows.columns, rule=pl.concat_str(broken, separator=", ", ignore_nulls=True)))
    good = good if ordered else good.sort(RAW_KEY)
    return good, pl.concat(rejected or [good.clear().with_columns(rule=pl.lit(""))])


def keeps(rows: pl.DataFrame, interval: timedelta, now: datetime, kind: RawRows = CANDLES) -> bool:
    """Whether every one of some rows keeps the rules that look at one row, in a fraction of the time of `validate`.

    Args:
        rows: Rows in the schema of the kind.
        interval: Length of a base candle.
        now: The time at which they were fetched.
        kind: What the rows are.
    """
    held = _held(kind, tuple(rows.columns), interval) & _is_over(kind, interval, now)
    return bool(rows.select(held.fill_null(value=False).all()).item())


@lru_cache(maxsize=64)
def _held(kind: RawRows, names: tuple[str, ...], interval: timedelta) -> pl.Expr:
    """Whether a row keeps the rules that need no clock; it takes longer to say than to decide for a few rows."""
    held = [*(pl.col(name).is_not_null() for name in RAW_KEY), *_rules(kind, interval).values()]
    for column in (column for column in kind.columns if column.name in names):
        value = pl.col(column.name)
        bounds = [value > column.above] if column.above is not None else []
        bounds += [value >= column.least] if column.least is not None else []
        bounds += [value <= column.most] if column.most is not None else []
        bounds += [value.is_finite()] if column.dtype == pl.Float64 else []
        is_right = pl.all_horizontal(value.is_not_null(), *bounds)
        held.append(value.is_null() | is_right if column.nullable else is_right)
    return pl.all_horizontal(held)


def _is_over(kind: RawRows, interval: timedelta, now: datetime) -> pl.Expr:
    return pl.col("open_time") + kind.length_of(interval) <= moment(now)


def _rules(kind: RawRows, interval: timedelta) -> dict[str, pl.Expr]:
    rules, step = {**kind.rules}, kind.step_of(interval)
    if kind.on_grid:
        rules["on_grid"] = pl.col("open_time").to_physical() % (step // timedelta(microseconds=1)) == 0
    return rules


def _without_copies(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    copy = pl.int_range(pl.len()).over(rows.columns) > 0
    return rows.filter(~copy), rows.filter(copy)


def _contract(kind: RawRows, names: Collection[str], interval: timedelta, now: datetime, *, unique: bool) -> Any:
    import dataframely as dy  # it takes a second, which only a run that has fetched something pays.

    return type(
        kind.name.capitalize(),
        (dy.Schema,),
        {
            "symbol": dy.String(primary_key=not unique),
            "open_time": dy.Datetime(primary_key=not unique, time_unit="us", time_zone="UTC"),
            **{column.name: _bounded(column) for column in kind.columns if column.name in names},
            **{name: dy.rule()(_always(rule)) for name, rule in _rules(kind, interval).items()},
            "is_over": dy.rule()(_always(_is_over(kind, interval, now))),
        },
    )


def _always(rule: pl.Expr) -> Callable[[Any], pl.Expr]:
    return lambda _: rule


def _bounded(column: Column) -> Any:
    import dataframely as dy

    bounds = {"min_exclusive": column.above, "min": column.least, "max": column.most}
    given: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    if column.dtype == pl.Int64:
        given = {name: int(bound) for name, bound in given.items()}
        return dy.Int64(nullable=column.nullable, **given)
    return dy.Float64(nullable=column.nullable, **given)
