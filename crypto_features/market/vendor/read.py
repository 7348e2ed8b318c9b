"""One vendor file as a lazy frame of candles: what is ambiguous is refused, with what decides it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from crypto_features.errors import InputError
from crypto_features.market.vendor.columns import PRICES, Columns, recognize
from crypto_features.market.vendor.raw import Raw, raw_rows
from crypto_features.market.vendor.stamps import readings
from crypto_features.market.vendor.volumes import check_volumes

_VALUES = (*PRICES, "volume")
_SAMPLE = 100
_SPOOL_ROWS = 100_000
_LINE = "\nline"
_NOT_EMPTY = pl.any_horizontal(pl.all().is_not_null())
"""Rows that hold anything: an empty line, or one of delimiters alone, is no candle."""


def open_file(path: Path, symbol: str, columns: Mapping[str, str], stamps: str | None, spool: Path) -> pl.LazyFrame:
    """The rows of a candle file, in the file's order, as `open_time, open, high, low, close, volume`.

    A text is parsed once, in streams, into the Parquet file `spool`; every row is then held to what its columns mean.

    Args:
        path: A Parquet or CSV file.
        symbol: The symbol that it holds.
        columns: The file's column for a candle's column, where the file leaves it open.
        stamps: Format of the stamps, where the file leaves it open.
        spool: Where to keep the parsed rows of a text; the caller removes it.

    Raises:
        InputError: if the file is not whole, lacks a column, or can be read in more than one way; it shows the first
            rows and the setting that decides.
    """
    raw = raw_rows(path)
    is_text = path.suffix.lower() != ".parquet"
    lazy, where = raw.rows.filter(_NOT_EMPTY) if is_text else raw.rows, f"{path}; its first rows:\n{raw.shown}"
    try:
        found = recognize(lazy.collect_schema().names(), symbol, columns, where)
        if found.split:
            lazy, found = _join_day_and_hour(lazy, found)
        first = lazy.limit(_SAMPLE).collect()
        if first.is_empty():
            raise InputError(f"the file holds no candle: {where}")
        times, numbers = _times(first, found, stamps), _numbers(first.schema, found)
        unread = _unread(first.schema, found)
        rows = lazy.select(*times.values(), *numbers, *_pair(found), unread)
        if is_text:
            rows.sink_parquet(spool, compression="lz4", row_group_size=_SPOOL_ROWS)
            rows = pl.scan_parquet(spool)
        if pl.String in first.dtypes:
            _check_numbers(rows, raw, unread, where)
        _check_pair(rows, found, symbol, where)
        rows = rows.with_columns(open_time=pl.col(_the_time(rows, list(times), where)))
        if found.quote_volume is not None:
            check_volumes(rows, found, where)
    except pl.exceptions.PolarsError as error:
        why = str(error).splitlines()[0]
        todo = " Save it as UTF-8." if "utf-8" in why.lower() else ""
        raise InputError(f"the file cannot be read ({why}).{todo} {where}") from None
    return rows.select("open_time", *_VALUES)


def _sources(found: Columns) -> dict[str, str]:
    """The file's column for each number."""
    sources = dict(zip(_VALUES, (*found.prices, found.volume), strict=True))
    return sources if found.quote_volume is None else sources | {"quote": found.quote_volume}


def _numbers(schema: pl.Schema, found: Columns) -> list[pl.Expr]:
    return [_number(schema, source).alias(name) for name, source in _sources(found).items()]


def _number(schema: pl.Schema, source: str) -> pl.Expr:
    if schema[source] == pl.Float64:
        return pl.col(source)
    text = pl.col(source).str.strip_chars() if schema[source] == pl.String else pl.col(source)
    return text.cast(pl.Float64, strict=False)


def _unread(schema: pl.Schema, found: Columns) -> pl.Expr:
    """The first text of a row that should be a number and is none."""
    texts = [source for source in _sources(found).values() if schema[source] == pl.String]
    wrong = [
        pl.when(_number(schema, source).is_null() & (pl.col(source).str.strip_chars() != "")).then(
            pl.format("{} in {}", pl.col(source), pl.lit(source))
        )
        for source in texts
    ]
    return pl.coalesce(*wrong, pl.lit(None, pl.String)).alias("unread")


def _check_numbers(rows: pl.LazyFrame, raw: Raw, unread: pl.Expr, where: str) -> None:
    if not rows.select(pl.col("unread").is_not_null().any()).collect(engine="streaming").item():
        return
    lines = raw.rows.with_row_index(_LINE, raw.line).select(_LINE, unread)
    line, text = lines.filter(pl.col("unread").is_not_null()).limit(1).collect().row(0)
    raise InputError(
        f"line {line}: {text} is no number; use a decimal point and no other separator, or delete the row. {where}"
    )


def _pair(found: Columns) -> list[pl.Expr]:
    return [] if found.pair is None else [pl.col(found.pair).cast(pl.String).alias("pair")]


def _join_day_and_hour(lazy: pl.LazyFrame, found: Columns) -> tuple[pl.LazyFrame, Columns]:
    day, hour = sorted(found.times, key=lambda name: "date" not in name.lower())
    joined = pl.concat_str(pl.col(day).cast(pl.String), pl.col(hour).cast(pl.String), separator=" ")
    return lazy.with_columns(joined.alias(day)), replace(found, times=(day,))


def _check_pair(rows: pl.LazyFrame, found: Columns, symbol: str, where: str) -> None:
    if found.pair is None:
        return
    pairs = sorted(rows.select(pl.col("pair").unique()).collect(engine="streaming").to_series().drop_nulls())
    if len(pairs) > 1:
        raise InputError(
            f"the file mixes {len(pairs)} markets ({', '.join(pairs[:5])}); write a file for each. {where}"
        )
    if pairs and not pairs[0].upper().startswith(symbol):
        raise InputError(f"the file is named {symbol} and holds {pairs[0]}; rename it. {where}")


def _times(first: pl.DataFrame, found: Columns, stamps: str | None) -> dict[str, pl.Expr]:
    """Every way to read the stamps that reads all of the first rows, by column and format."""
    times: dict[str, pl.Expr] = {}
    for column in found.times:
        ways = readings(first.schema[column], column, stamps)
        unread = {form: first.select(way.is_null().sum()).item() for form, way in ways.items()}
        fewest = min(unread.values())
        times |= {f"{column}\n{form}": ways[form].alias(f"{column}\n{form}") for form in ways if unread[form] == fewest}
    return times


def _the_time(rows: pl.LazyFrame, times: Sequence[str], where: str) -> str:
    """The way that reads every stamp. If several do, in one column or in two, they must say the same."""
    unread: dict[str, int] = rows.select(pl.col(times).null_count()).collect(engine="streaming").row(0, named=True)
    columns = {time.partition("\n")[0] for time in times}
    for column in columns:
        mine = {time: count for time, count in unread.items() if time.startswith(f"{column}\n")}
        if min(mine.values()):
            time, count = min(mine.items(), key=lambda item: item[1])
            raise InputError(
                f"the stamps in {column!r} have no form that is known for every row ({count} are empty or cannot be "
                f"read as {time.partition(chr(10))[2]}); give it by CRYPTO_FEATURES_FILES_STAMPS, such as "
                f"'%d %b %Y %H:%M'. {where}"
            )
    chosen, *others = [time for time in times if not unread[time]]
    for other in others:
        differ = rows.filter(pl.col(other) != pl.col(chosen)).select(other, chosen).limit(1).collect(engine="streaming")
        if differ.height:
            (column, form), (second, also) = chosen.split("\n"), other.split("\n")
            setting = f"FILES_STAMPS={form!r}" if column == second else f"FILES_COLUMNS=open_time={column}"
            raise InputError(
                f"a stamp in {column!r} read as {form} is {differ[chosen][0]}, and in {second!r} read as {also} "
                f"{differ[other][0]}; decide by CRYPTO_FEATURES_{setting} or the other. {where}"
            )
    return chosen
