"""A zip of Binance's bulk files: one CSV of klines, unpacked within a limit."""

import codecs
import csv
import io
import zipfile
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import InputError, PermanentError
from crypto_features.lake.contract import in_schema
from crypto_features.sources.vendor.layouts import KLINE
from crypto_features.sources.vendor.stamps import readings
from crypto_features.tables.candle_rows import CANDLES

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What is unpacked piece by piece; the other methods fill the memory before a limit can stop them."""

_SLACK = timedelta(seconds=1)
"""A kline closes a millisecond or a microsecond before the next one opens."""

_MOST = 0.5
_VALUES = ("open", "high", "low", "close", "volume")
_OHLCV = ("open_time", *_VALUES)
_FURTHER = {"quote_volume": "quote_volume", "trades": "count", "taker_buy_volume": "taker_buy_volume"}
"""Columns that only some sources have, and their names in a kline file."""


def klines(
    body: bytes, symbol: str, limit: int, shown: str, *, interval: timedelta, span: tuple[datetime, datetime]
) -> pl.DataFrame:
    """The candles of a zip with their further columns; what cannot be read of a row is null.

    Args:
        body: The zip.
        symbol: The symbol that the candles get.
        limit: How many bytes the CSV may have. The stated size is not trusted: unpacking stops there.
        shown: Where the zip is from, for errors.
        interval: Length of a candle.
        span: The month or day `[start, end)` that the zip is said to hold; candles of another time are left out.

    Raises:
        PermanentError: if it is not a zip of one file, or a larger one.
        InputError: if that file is not a kline CSV, most of its rows cannot be read, most of its candles are of another
            length, or none is of this time.
    """
    rows = _parsed(unpacked(body, limit, shown), symbol, shown)
    outside = ~pl.col("open_time").is_between(*span, closed="left")
    rows = rows.filter(~outside | pl.col("open_time").is_null())
    if rows["open_time"].drop_nulls().is_empty():
        raise InputError(f"{shown} holds no candle of {span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M}.")
    length = rows["length"].median()
    if isinstance(length, timedelta) and abs(length - interval) > _SLACK:
        raise InputError(f"{shown} holds candles of {round(length / _SLACK) * _SLACK}; expected {interval}.")
    return in_schema(rows.drop("length")).match_to_schema(CANDLES.full_schema)


def unpacked(body: bytes, limit: int, shown: str) -> bytes:
    """The one file of a zip.

    Raises:
        PermanentError: if it is not a zip of one file, or a larger one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise PermanentError(f"{shown} holds {len(members)} files; expected one CSV file.")
            if members[0].compress_type not in _METHODS:
                raise PermanentError(f"{shown} is compressed by another method than deflate, and is not unpacked.")
            with archive.open(members[0]) as file:
                text = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise PermanentError(f"{shown} is not a zip file that can be read ({error}).") from None
    if len(text) > limit:
        raise PermanentError(f"{shown} unpacks to more than {limit:,} bytes; see CRYPTO_FEATURES_ARCHIVE_LIMIT.")
    return text


def _parsed(text: bytes, symbol: str, shown: str) -> pl.DataFrame:
    """The candles of a kline CSV and their `length`; its stamps are milliseconds before 2025, microseconds since."""
    rows = texts(text, KLINE, "a kline CSV", shown, headed=_has_header(first_fields(text), shown))
    named = dict.fromkeys(_VALUES) | _FURTHER
    stamps = pl.col("open_time", "close_time").cast(pl.Int64, strict=False)
    numbers = [pl.col(column or name).cast(pl.Float64, strict=False).alias(name) for name, column in named.items()]
    read = rows.select(stamps, *numbers)
    time, close = (readings(pl.Int64(), name)["epoch"] for name in ("open_time", "close_time"))
    candles = read.select(
        symbol=pl.lit(symbol),
        open_time=time,
        **{name: pl.col(name).cast(CANDLES.full_schema[name]) for name in named},
        length=close - time,
    )
    bad = candles.select(pl.any_horizontal(pl.col(_OHLCV).is_null())).to_series()
    if bad.sum() > _MOST * candles.height:
        first = rows.row(int(bad.arg_true()[0]))[: len(_OHLCV)]
        raise InputError(f"{shown} is not a kline CSV: {bad.sum()} of its {bad.len()} rows are like {first}.")
    return candles


def first_fields(text: bytes) -> list[str]:
    return next(csv.reader([_begun(text).partition(b"\n")[0].decode("utf-8", "replace").strip()]), [])


def texts(text: bytes, names: Sequence[str], what: str, shown: str, *, headed: bool) -> pl.DataFrame:
    """The fields of a CSV as texts without spaces around them, in columns of these names."""
    try:
        rows = pl.read_csv(
            io.BytesIO(_begun(text)), has_header=False, skip_lines=int(headed), schema=dict.fromkeys(names, pl.String)
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{shown} is not {what} ({str(error).splitlines()[0]}).") from None
    return rows.select(pl.all().str.strip_chars())


def _begun(text: bytes) -> bytes:
    return text.removeprefix(codecs.BOM_UTF8).lstrip()


def _has_header(fields: Sequence[str], shown: str) -> bool:
    """Whether the first line names the columns, as those of futures do.

    Raises:
        InputError: if it names others, or in another order, or is neither names nor a candle.
    """
    if not fields or fields[0].isdecimal() or any(_is_number(field) for field in fields[1 : len(_OHLCV)]):
        return False
    if tuple(name.strip().lower().replace(" ", "_") for name in fields[: len(_OHLCV)]) != _OHLCV:
        raise InputError(
            f"{shown} begins with {','.join(fields)[:80]!r}; expected the columns {', '.join(_OHLCV)}, ... or a candle."
        )
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
