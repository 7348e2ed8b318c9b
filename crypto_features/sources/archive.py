"""The archive source: Binance's public bulk files, monthly and daily, each verified by its checksum."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import polars as pl

from crypto_features.errors import CryptoFeaturesError, PermanentError, TransientError
from crypto_features.sources.layouts import Layout, kline_layout
from crypto_features.sources.listed import ListedSource
from crypto_features.sources.listings import Listing
from crypto_features.sources.pace import Pace
from crypto_features.sources.source import PartlyFetchedError
from crypto_features.sources.web import BlockedError, Web, without_password
from crypto_features.tables.months import month_span, months_between

_DAY = timedelta(days=1)
_CHECKSUM_BYTES = 1_000
_SHA256 = re.compile(r"([0-9a-f]{64})(?:\s+\*?(?:\S*/)?(\S+))?", re.IGNORECASE)
"""A sum, and the name of the file that it is of."""

_SHOWN = 3
"""How many faulty files an error names."""


class ArchiveSource(ListedSource):
    """Candles from the layout of data.binance.vision: `data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip`.

    What a monthly file lacks, if there is one, is taken from the daily ones. A file that is broken, or that has no
    checksum, costs its own candles only; the error names it. One whose checksum changed since it was taken is taken
    again. The newest hours are not in an archive: fetch them with the source `ccxt`.

    Args:
        url: Address of the files.
        layout: Which of them; by default the candles of spot markets.
        limit: How many bytes a file may unpack to.
        patience: For how long a request that fails is made again.
        pace: The rate limit.
        listed: As `ListedSource`.

    Raises:
        SettingsError: if the archive has no files of this interval.
    """

    adds_late = True

    def __init__(
        self,
        url: str,
        *,
        layout: Layout | None = None,
        limit: int = 256 << 20,
        patience: timedelta = timedelta(minutes=5),
        pace: Pace | None = None,
        **listed: Any,
    ) -> None:
        super().__init__(**listed)
        self.venue = self.venue_at("binance")
        self._layout = kline_layout(self._interval) if layout is None else layout
        self._url, self._limit, self._web = url.rstrip("/"), limit, Web(pace or Pace(), patience, limit)
        self._replaced: dict[str, list[str]] = {}

    @property
    def name(self) -> str:
        return f"archive at {without_password(self._url)}"

    def mark(self, symbol: str, start: datetime, end: datetime) -> str | None:
        """The checksums of the files that hold these candles; `None` if one of them is not as it should be."""
        checksums = []
        try:
            for listing, first, last in self.listed(symbol, start, end):
                for month in months_between(first, last):
                    monthly = self._checksum(self._url_of(listing, "monthly", month)) if self._has(month) else None
                    days = [f"{day:%Y-%m-%d}" for day in self._days(month, first, last)] if monthly is None else []
                    checksums += [monthly, *(self._checksum(self._url_of(listing, "daily", day)) for day in days)]
        except CryptoFeaturesError as error:
            if _is_away(error):
                raise
            return None  # `fetch` says what is wrong, and takes the other files.
        return " ".join(checksum[:16] for checksum in checksums if checksum)

    def shortfalls(self, symbol: str) -> tuple[str, ...]:
        return tuple(self._replaced.get(symbol, ()))

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts, faults, lost = [self._nothing], list[CryptoFeaturesError](), list[tuple[datetime, datetime]]()
        for listing, first, last in self.listed(symbol, start, end):
            for month in months_between(first, last):
                if faults and _is_away(faults[-1]):
                    lost[-1] = lost[-1][0], end
                    break
                candles, found = self._month(symbol, listing, month, first, last)
                parts.append(listing.rescaled(candles))
                if found:
                    faults += found
                    span = month_span(month)
                    lost.append((max(span[0], start), min(span[1], end)))
        candles = pl.concat(parts).filter(
            _unread_or(pl.col("open_time").is_between(start, end, closed="left")),
            _unread_or(pl.col("open_time") + self._layout.length <= self._now()),
        )
        if not faults:
            return candles
        error = _together(faults)
        raise error if candles.is_empty() else PartlyFetchedError(error, candles, lost)

    def _month(
        self, symbol: str, listing: Listing, month: str, first: datetime, last: datetime
    ) -> tuple[pl.DataFrame, list[CryptoFeaturesError]]:
        """The candles of a month, and what is wrong with the files whose candles no other file has.

        The monthly file counts; what it lacks is taken from the daily ones.
        """
        candles, broken, faults = self._nothing, None, list[CryptoFeaturesError]()
        inside = _unread_or(pl.col("open_time").is_between(first, last, closed="left"))
        if self._has(month):
            try:
                candles = self._file(symbol, self._url_of(listing, "monthly", month), month_span(month)).filter(inside)
            except CryptoFeaturesError as error:
                if _is_away(error) or not self._layout.has_days:
                    return candles, [error]
                broken = error
        for day in self._days(month, first, last):
            expected = (min(day + _DAY, last) - max(day, first)) * self._layout.expected // _DAY
            held = candles.filter(pl.col("open_time").dt.truncate("1d") == day)
            if held.height >= expected:
                continue
            try:
                url = self._url_of(listing, "daily", f"{day:%Y-%m-%d}")
                daily = self._file(symbol, url, (day, day + _DAY)).filter(inside)
            except CryptoFeaturesError as error:
                faults.append(error)
                if _is_away(error):
                    break
                continue
            if broken is not None and daily.is_empty() and broken not in faults:
                faults.append(broken)
            candles = pl.concat([candles, daily.join(held, on="open_time", how="anti")])
        if broken is not None and not faults:
            self._replaced.setdefault(symbol, []).append(f"{broken} Its daily files are taken instead.")
        return candles, faults

    @property
    def _nothing(self) -> pl.DataFrame:
        return self._layout.kind.full_schema.to_frame()

    def _has(self, month: str) -> bool:
        """Whether there may be a file of a month: it is over."""
        return self._layout.has_months and month_span(month)[1] <= self._now()

    def _days(self, month: str, first: datetime, last: datetime) -> list[datetime]:
        """The days of a month that may have a file: those over, of which a part is in `[first, last)`."""
        if not self._layout.has_days:
            return []
        start, end = month_span(month)
        days = (start + i * _DAY for i in range((end - start) // _DAY))
        return [day for day in days if day < last and day + _DAY > first and day + _DAY <= self._now()]

    def _url_of(self, listing: Listing, span: str, date: str) -> str:
        market = quote(listing.market.partition(":")[0].replace("/", ""), safe="")
        return f"{self._url}/{self._layout.path.format(span=span, market=market, date=date)}"

    def _checksum(self, url: str) -> str | None:
        return self._web.persist(lambda: self._read_checksum(url))

    def _read_checksum(self, url: str) -> str | None:
        text = self._web.read(f"{url}.CHECKSUM")
        if text is None:
            return None
        found = _SHA256.match(text[:_CHECKSUM_BYTES].decode("ascii", "replace").strip())
        if found is None:
            raise MismatchError(f"{without_password(url)}.CHECKSUM holds no SHA-256 sum")
        if found[2] not in (None, unquote(url.rpartition("/")[2])):
            raise MismatchError(f"{without_password(url)}.CHECKSUM is that of {found[2]}")
        return found[1].lower()

    def _file(self, symbol: str, url: str, span: tuple[datetime, datetime]) -> pl.DataFrame:
        """The candles of the file of a month or day; none if there is no such file."""
        shown = without_password(url)

        def verified() -> bytes | None:
            expected, body = self._read_checksum(url), self._web.read(url)
            if expected is None and body is None:
                return None
            if expected is None:
                raise PermanentError(f"{shown} has no CHECKSUM file beside it, so it is not taken.")
            if body is None:
                raise MismatchError(f"{shown} is missing beside its checksum")
            got = hashlib.sha256(body).hexdigest()
            if got != expected:
                raise MismatchError(f"{shown} has the SHA-256 sum {got} where its CHECKSUM file says {expected}")
            return body

        body = self._web.persist(verified)
        if body is None:
            return self._nothing
        return self._layout.read(body, symbol, self._limit, shown, span=span)


class MismatchError(TransientError):
    """A file and its checksum do not belong together, as they do not while they are uploaded."""


def _unread_or(condition: pl.Expr) -> pl.Expr:
    """Also the candles whose stamp cannot be read: they go to the quarantine."""
    return condition | pl.col("open_time").is_null()


def _is_away(error: CryptoFeaturesError) -> bool:
    """Whether it is the server that fails, and not a file of it: the next file would fail as well."""
    return isinstance(error, TransientError | BlockedError) and not isinstance(error, MismatchError)


def _together(faults: Sequence[CryptoFeaturesError]) -> CryptoFeaturesError:
    if len(faults) == 1:
        return faults[0]
    kind = TransientError if all(isinstance(fault, TransientError) for fault in faults) else PermanentError
    more = f"; and {len(faults) - _SHOWN} more files" if len(faults) > _SHOWN else ""
    return kind("; ".join(map(str, faults[:_SHOWN])) + more)
