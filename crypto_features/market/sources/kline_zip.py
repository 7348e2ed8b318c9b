"""A zip of Binance's bulk files: one CSV of klines, unpacked within a limit."""

import io
import zipfile
import zlib

import polars as pl

from crypto_features.errors import InputError, PermanentError
from crypto_features.market.source import CANDLE_SCHEMA, in_candle_schema
from crypto_features.market.vendor.layouts import KLINE
from crypto_features.market.vendor.stamps import readings

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What is unpacked piece by piece; the other methods fill the memory before a limit can stop them."""

_VALUES = ("open", "high", "low", "close", "volume")


def klines(body: bytes, symbol: str, limit: int, shown: str) -> pl.DataFrame:
    """The candles of a zip, in `CANDLE_SCHEMA`.

    Args:
        body: The zip.
        symbol: The symbol that the candles get.
        limit: How many bytes the CSV may have. The stated size is not trusted: unpacking stops there.
        shown: Where the zip is from, for errors.

    Raises:
        PermanentError: if it is not a zip of one file, or a larger one.
        InputError: if that file is not a kline CSV.
    """
    return in_candle_schema(_parsed(_unpacked(body, limit, shown), symbol, shown)).match_to_schema(CANDLE_SCHEMA)


def _unpacked(body: bytes, limit: int, shown: str) -> bytes:
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
    """The candles of a kline CSV; its stamps are milliseconds before 2025 and microseconds since."""
    types = {"open_time": pl.Int64(), **dict.fromkeys(_VALUES, pl.Float64())}
    schema = pl.Schema({name: types.get(name, pl.String()) for name in KLINE})
    try:
        rows = pl.read_csv(
            io.BytesIO(text),
            has_header=False,
            skip_lines=0 if text[:1].isdigit() else 1,
            schema=schema,
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{shown} is not a kline CSV ({str(error).splitlines()[0]}).") from None
    time = readings(pl.Int64(), "open_time")["epoch"]
    return rows.select(symbol=pl.lit(symbol), open_time=time, **{name: pl.col(name) for name in _VALUES})
