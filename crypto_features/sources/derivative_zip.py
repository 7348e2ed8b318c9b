"""Zips of Binance's bulk files of futures: settlements of funding, and five-minute metrics."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.kline_zip import first_fields, texts, unpacked
from crypto_features.sources.vendor.stamps import readings
from crypto_features.tables.derivative_rows import DERIVATIVES, FIVE_MINUTES, FUNDING
from crypto_features.tables.dtypes import TIME

_MOST = 0.5
_FUNDING = {
    "open_time": ("calc_time", "funding_time", "fundingtime"),
    "rate": ("last_funding_rate", "funding_rate", "fundingrate"),
    "interval_hours": ("funding_interval_hours",),
}
_METRICS = {
    "open_time": ("create_time", "timestamp"),
    "open_interest": ("sum_open_interest",),
    "open_interest_value": ("sum_open_interest_value",),
    "top_accounts_ratio": ("count_toptrader_long_short_ratio",),
    "top_positions_ratio": ("sum_toptrader_long_short_ratio",),
    "accounts_ratio": ("count_long_short_ratio",),
    "taker_ratio": ("sum_taker_long_short_vol_ratio",),
}
_IN_ORDER = {
    "funding": ("calc_time", "funding_interval_hours", "last_funding_rate"),
    "metrics": ("create_time", "symbol", *(names[0] for name, names in _METRICS.items() if name != "open_time")),
}
"""The columns of a file without a header."""


def fundings(body: bytes, symbol: str, limit: int, shown: str, *, span: tuple[datetime, datetime]) -> pl.DataFrame:
    """The settlements of a zip, in `FUNDING.full_schema`; what cannot be read of a row is null.

    The arguments and errors are those of `klines`.
    """
    rows = _table(unpacked(body, limit, shown), "funding", _FUNDING, shown)
    times = rows["open_time"].cast(pl.Int64, strict=False)
    read = rows.select(
        symbol=pl.lit(symbol),
        open_time=_of_epoch(times),
        rate=_number("rate"),
        interval_hours=_number("interval_hours"),
    )
    return _within(read.match_to_schema(FUNDING.full_schema), "rate", span, shown)


def metrics(body: bytes, symbol: str, limit: int, shown: str, *, span: tuple[datetime, datetime]) -> pl.DataFrame:
    """The five-minute rows of a zip, in `DERIVATIVES.schema`; what is empty or cannot be read of a row is null.

    A file whose stamps run from 00:05 to the next midnight stamps the end of the five minutes, any other one the begin;
    the exchange changed from one to the other in June 2026. `open_time` is the begin.

    The arguments and errors are those of `klines`.
    """
    rows = _table(unpacked(body, limit, shown), "metrics", _METRICS, shown)
    texts = rows["open_time"]
    times = texts.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    times = times.fill_null(_of_epoch(texts.cast(pl.Int64, strict=False)))
    start, end = span
    if (times == end).any() and not (times == start).any():
        times = times - FIVE_MINUTES
    values = {name: _number(name) for name in DERIVATIVES.values}
    read = rows.select(symbol=pl.lit(symbol), open_time=times, **values)
    return _within(read.match_to_schema(DERIVATIVES.schema), "open_interest", span, shown)


def _within(rows: pl.DataFrame, value: str, span: tuple[datetime, datetime], shown: str) -> pl.DataFrame:
    """The rows of the time that a file is said to hold, if most of them can be read."""
    bad = rows.filter(pl.col("open_time").is_null() | pl.all_horizontal(pl.exclude("symbol", "open_time").is_null()))
    if bad.height > _MOST * rows.height:
        raise InputError(f"{shown}: of {bad.height} of its {rows.height} rows neither time nor {value} can be read.")
    inside = rows.filter(pl.col("open_time").is_between(*span, closed="left") | pl.col("open_time").is_null())
    if inside["open_time"].drop_nulls().is_empty():
        raise InputError(f"{shown} holds no row of {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}.")
    return inside


def _table(text: bytes, what: str, columns: Mapping[str, tuple[str, ...]], shown: str) -> pl.DataFrame:
    """The wanted columns of a CSV as texts, found by its header or, without one, by their order."""
    first = first_fields(text)
    headed = not any(field[:1].isdecimal() for field in first)
    names = [name.strip().lower() for name in first] if headed else [*_IN_ORDER[what][: len(first)]]
    found = {own: next((name for name in theirs if name in names), None) for own, theirs in columns.items()}
    if missing := [own for own in [*columns][:2] if found[own] is None]:
        raise InputError(
            f"{shown} begins with {','.join(first)[:80]!r}; expected a column {columns[missing[0]][0]} of {what}."
        )
    rows, none = texts(text, names, f"a CSV of {what}", shown, headed=headed), pl.lit(None, pl.String)
    return rows.select((pl.col(name) if name else none).alias(own) for own, name in found.items())


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


def _of_epoch(stamps: pl.Series) -> pl.Series:
    """Stamps in milliseconds or microseconds as times."""
    return stamps.to_frame("stamp").select(readings(pl.Int64(), "stamp")["epoch"].cast(TIME)).to_series()
