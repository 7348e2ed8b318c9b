"""The archive source: Binance's public bulk files, monthly and daily, each verified by its checksum."""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import polars as pl

from crypto_features.errors import InputError, PermanentError, SettingsError, TransientError
from crypto_features.features.months import month_span, months_between
from crypto_features.market.listed import ListedSource
from crypto_features.market.listings import Listing
from crypto_features.market.pace import Pace
from crypto_features.market.source import CANDLE_SCHEMA, in_candle_schema
from crypto_features.market.timeframe import timeframe
from crypto_features.market.vendor.layouts import KLINE
from crypto_features.market.vendor.stamps import readings
from crypto_features.market.web import Web, without_password

_DAY = timedelta(days=1)
_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_CHECKSUM_BYTES = 1_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VALUES = ("open", "high", "low", "close", "volume")


class ArchiveSource(ListedSource):
    """Candles from the layout of data.binance.vision: `data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip`.

    A month that has no monthly file is put together from its daily ones. A file whose checksum changed since it was
    taken is taken again. The newest hours are not in an archive: fetch them with the source `ccxt`.

    Args:
        url: Address of the layout.
        limit: How many bytes a file may unpack to.
        patience: For how long a request that fails is made again.
        pace: The rate limit.
        listed: As `ListedSource`.

    Raises:
        SettingsError: if the archive has no files of this interval.
    """

    def __init__(
        self,
        url: str,
        *,
        limit: int = 256 << 20,
        patience: timedelta = timedelta(minutes=5),
        pace: Pace | None = None,
        **listed: Any,
    ) -> None:
        super().__init__(**listed)
        self.venue = self.venue_at("binance")
        self._url, self._limit, self._web = url.rstrip("/"), limit, Web(pace or Pace(), patience)
        self._timeframe = timeframe(self._interval)
        if self._timeframe not in _INTERVALS:
            raise SettingsError(
                f"the archive has no candles of CRYPTO_FEATURES_INTERVAL={self._timeframe}; "
                f"it has {', '.join(_INTERVALS)}."
            )

    @property
    def name(self) -> str:
        return f"archive at {without_password(self._url)}"

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        """The checksums of the files that hold these candles."""
        return " ".join(file.checksum[:16] for file in self._files(symbol, start, end))

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts = [file.listing.rescaled(self._candles(symbol, file)) for file in self._files(symbol, start, end)]
        return pl.concat([CANDLE_SCHEMA.to_frame(), *parts]).filter(
            pl.col("open_time").is_between(start, end, closed="left"),
            pl.col("open_time") + self._interval <= self._now(),
        )

    def _files(self, symbol: str, start: datetime, end: datetime) -> Iterator["_File"]:
        """The monthly files, and the daily ones of the months that have none."""
        now = self._now()
        for listing, first, last in self.listed(symbol, start, end):
            for month in months_between(first, last):
                month_start, month_end = month_span(month)
                monthly = self._file(listing, "monthly", month, first, last) if month_end <= now else None
                if monthly is not None:
                    yield monthly
                    continue
                day = max(month_start, first - (first - month_start) % _DAY)
                while day < min(month_end, last) and day + _DAY <= now:
                    daily = self._file(listing, "daily", f"{day:%Y-%m-%d}", first, last)
                    if daily is not None:
                        yield daily
                    day += _DAY

    def _file(self, listing: Listing, span: str, date: str, first: datetime, last: datetime) -> "_File | None":
        market = quote(listing.market.replace("/", ""), safe="")
        name = f"{market}-{self._timeframe}-{date}.zip"
        url = f"{self._url}/data/spot/{span}/klines/{market}/{self._timeframe}/{name}"
        checksum = self._web.persist(lambda: self._checksum(url))
        return None if checksum is None else _File(listing, url, checksum, first, last)

    def _checksum(self, url: str) -> str | None:
        text = self._web.read(f"{url}.CHECKSUM", _CHECKSUM_BYTES)
        if text is None:
            return None
        found = _SHA256.match(text.decode("ascii", "replace").strip().lower())
        if found is None:
            raise TransientError(f"{without_password(url)}.CHECKSUM holds no SHA-256 sum")
        return found[0]

    def _candles(self, symbol: str, file: "_File") -> pl.DataFrame:
        shown = without_password(file.url)

        def verified() -> bytes:
            expected, body = self._checksum(file.url), self._web.read(file.url, self._limit)
            if body is None:
                raise TransientError(f"{shown} is missing beside its checksum")
            got = hashlib.sha256(body).hexdigest()
            if got != expected:
                raise TransientError(f"{shown} has the SHA-256 sum {got} where its CHECKSUM file says {expected}")
            return body

        text = _unpacked(self._web.persist(verified), self._limit, shown)
        return _parsed(text, symbol, shown).filter(pl.col("open_time").is_between(file.first, file.last, closed="left"))


@dataclass(frozen=True)
class _File:
    """One file of the archive, of which the candles that open in `[first, last)` count."""

    listing: Listing
    url: str
    checksum: str
    first: datetime
    last: datetime


def _unpacked(body: bytes, limit: int, shown: str) -> bytes:
    """The one file in a zip. Its stated size is not trusted: unpacking stops at the limit."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if len(members) != 1:
                raise PermanentError(f"{shown} holds {len(members)} files; expected one CSV file.")
            with archive.open(members[0]) as file:
                text = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise PermanentError(f"{shown} is no zip file that can be read ({error}).") from None
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
        raise InputError(f"{shown} is no kline CSV ({str(error).splitlines()[0]}).") from None
    time = readings(pl.Int64(), "open_time")["epoch"]
    candles = rows.select(symbol=pl.lit(symbol), open_time=time, **{name: pl.col(name) for name in _VALUES})
    return in_candle_schema(candles)
