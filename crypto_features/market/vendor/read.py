"""One vendor file as a lazy frame of candles: what is ambiguous is refused, with what decides it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from crypto_features.errors import InputError
from crypto_features.market.vendor.columns import PRICES, Columns, recognize
from crypto_features.market.vendor.raw import raw_rows
from crypto_features.market.vendor.stamps import readings
from crypto_features.market.vendor.volumes import check_volumes

_VALUES = (*PRICES, "volume")


def open_file(path: Path, symbol: str, columns: Mapping[str, str], stamps: str | None) -> pl.LazyFrame:
    """The rows of a candle file, in the file's order, as `open_time, open, high, low, close, volume`.

    The whole file is read in streams to be sure of what each column means.

    Args:
        path: A Parquet or CSV file.
        symbol: The symbol that it holds.
        columns: The file's column for a candle's column, where the file leaves it open.
        stamps: Format of the stamps, where the file leaves it open.

    Raises:
        InputError: if the file is not whole, lacks a column, or can be read in more than one way; it shows the first
            rows and the setting that decides.
    """
    lazy, shown = raw_rows(path)
    where = f"{path}; its first rows:\n{shown}"
    try:
        return _open(lazy, symbol, columns, stamps, where)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"the file cannot be read ({str(error).splitlines()[0]}): {where}") from None


def _open(lazy: pl.LazyFrame, symbol: str, columns: Mapping[str, str], stamps: str | None, where: str) -> pl.LazyFrame:
    found = recognize(lazy.collect_schema().names(), symbol, columns, where)
    if found.split:
        lazy, found = _join_day_and_hour(lazy, found)
    if not lazy.limit(1).collect().height:
        raise InputError(f"the file holds no candle: {where}")
    _check_pair(lazy, found, symbol, where)
    candles = _parsed(lazy, found, _time(lazy, found, stamps, where), where)
    if found.quote_volume is not None:
        check_volumes(candles, found, where)
    return candles.drop("quote", strict=False)


def _parsed(lazy: pl.LazyFrame, found: Columns, time: pl.Expr, where: str) -> pl.LazyFrame:
    schema = lazy.collect_schema()
    sources = dict(zip(_VALUES, (*found.prices, found.volume), strict=True))
    if found.quote_volume is not None:
        sources["quote"] = found.quote_volume
    numbers, wrong = {}, {}
    for name, source in sources.items():
        text = pl.col(source).str.strip_chars() if schema[source] == pl.String else pl.col(source)
        numbers[name] = text.cast(pl.Float64, strict=False)
        if schema[source] == pl.String:
            wrong[source] = numbers[name].is_null() & (text != "")
    if wrong:
        unread = lazy.filter(pl.any_horizontal(wrong.values())).limit(1).collect(engine="streaming")
        if unread.height:
            source = next(name for name, expression in wrong.items() if unread.select(expression).item())
            raise InputError(f"{source!r} holds {unread[source][0]!r}, which is no number. {where}")
    return lazy.select(open_time=time, **numbers)


def _join_day_and_hour(lazy: pl.LazyFrame, found: Columns) -> tuple[pl.LazyFrame, Columns]:
    day, hour = sorted(found.times, key=lambda name: "date" not in name.lower())
    joined = pl.concat_str(pl.col(day).cast(pl.String), pl.col(hour).cast(pl.String), separator=" ")
    return lazy.with_columns(joined.alias(day)), replace(found, times=(day,))


def _check_pair(lazy: pl.LazyFrame, found: Columns, symbol: str, where: str) -> None:
    if found.pair is None:
        return
    pairs = sorted(
        lazy.select(pl.col(found.pair).cast(pl.String).unique()).collect(engine="streaming").to_series().drop_nulls()
    )
    if len(pairs) > 1:
        raise InputError(
            f"the file mixes {len(pairs)} markets ({', '.join(pairs[:5])}); write a file for each. {where}"
        )
    if pairs and not pairs[0].upper().startswith(symbol):
        raise InputError(f"the file is named {symbol} and holds {pairs[0]}; rename it. {where}")


def _time(lazy: pl.LazyFrame, found: Columns, stamps: str | None, where: str) -> pl.Expr:
    """The way to read the stamps that reads all of them; several columns must say the same."""
    ways = {column: _way(lazy, column, stamps, where) for column in found.times}
    (column, time), *others = ways.items()
    if lazy.select(time.is_null().any()).collect(engine="streaming").item():
        raise InputError(f"a row has no stamp in {column!r}; delete it. {where}")
    for other, also in others:
        differ = lazy.select(a=time, b=also).filter(pl.col("a") != pl.col("b")).limit(1).collect(engine="streaming")
        if differ.height:
            raise InputError(
                f"{column!r} says {differ['a'][0]} where {other!r} says {differ['b'][0]}; decide by "
                f"CRYPTO_FEATURES_FILES_COLUMNS=open_time=<column>. {where}"
            )
    return time


def _way(lazy: pl.LazyFrame, column: str, stamps: str | None, where: str) -> pl.Expr:
    dtype = lazy.collect_schema()[column]
    ways = readings(dtype, column, stamps)
    given = pl.col(column).is_not_null() & (pl.col(column).cast(pl.String) != "")
    first = lazy.select(column).limit(100).collect()
    ways = {f: e for f, e in ways.items() if not first.select((e.is_null() & given).any()).item()} or ways
    counts = lazy.select((e.is_null() & given).sum().alias(f) for f, e in ways.items()).collect(engine="streaming")
    unread: dict[str, int] = counts.row(0, named=True)
    whole = [form for form, count in unread.items() if not count]
    if not whole:
        form, count = min(unread.items(), key=lambda item: item[1])
        raise InputError(
            f"the stamps in {column!r} have no form that is known ({count} cannot be read as {form}); "
            f"give it by CRYPTO_FEATURES_FILES_STAMPS, such as '%d %b %Y %H:%M'. {where}"
        )
    differ = pl.any_horizontal([ways[form] != ways[whole[0]] for form in whole[1:]] or [pl.lit(value=False)])
    if lazy.select(differ.any()).collect(engine="streaming").item():
        raise InputError(
            f"the stamps in {column!r} can be read as {' or '.join(whole)}; decide by "
            f"CRYPTO_FEATURES_FILES_STAMPS={whole[0]!r}. {where}"
        )
    return ways[whole[0]]
