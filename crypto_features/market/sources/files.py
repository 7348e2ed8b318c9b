"""The files source: a folder with one Parquet or CSV file a symbol, as vendors write them."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features import clock
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.features import resample
from crypto_features.market.contract import validate
from crypto_features.market.names import check_symbol
from crypto_features.market.source import CANDLE_SCHEMA, Source
from crypto_features.market.timeframe import timeframe
from crypto_features.market.vendor import open_file

_VALUES = tuple(CANDLE_SCHEMA.names()[1:])
_SUFFIXES = (".csv", ".parquet")
_DAY = timedelta(days=1)


class FilesSource(Source):
    """The candles of a folder that holds `<SYMBOL>.parquet` or `<SYMBOL>.csv`.

    Columns and stamps of the common vendors are recognized; what could be read in two ways is an error that shows
    the first rows and the setting that decides. Candles shorter than the interval are resampled.

    Args:
        folder: The folder.
        interval: Length of a candle.
        columns: The file's column for a candle's column, where a file leaves it open.
        stamps: Format of the stamps, where a file leaves it open.
        now: The clock.
        cache: Where to remember the span of each file, so that it is not opened before it changes.
        names: Only these files of the folder; by default all.
        venue: Where the candles come from, such as `binance spot USDT`.

    Raises:
        InputError: if the folder is missing, holds no candle file, two files for one symbol, or not one of `names`.
    """

    def __init__(
        self,
        folder: str | Path,
        interval: timedelta,
        columns: Mapping[str, str] | None = None,
        stamps: str | None = None,
        *,
        now: Callable[[], datetime] = clock.now,
        cache: UPath | None = None,
        names: Sequence[str] | None = None,
        venue: str = "files",
    ) -> None:
        self.venue = venue
        self._folder, self._interval, self._now = Path(folder), interval, now
        self._columns, self._stamps = dict(columns or {}), stamps
        self._cache = cache
        self._names = names
        self._opened: dict[str, _Opened] = {}
        self._files()

    @property
    def name(self) -> str:
        return f"files in {self._folder}"

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._files()))

    def start(self, symbols: Sequence[str]) -> datetime:
        first = min(self._span(symbol).first for symbol in symbols or self.symbols())
        return first - (first - first.replace(hour=0, minute=0, second=0, microsecond=0)) % self._interval

    def end(self) -> datetime:
        return max(self._span(symbol).last for symbol in self.symbols()) + self._interval

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        del start, end
        return f"{_signature(self._path(symbol))} by {self._interval} {self._columns} {self._stamps}"

    def later(self, symbol: str) -> int:
        if symbol not in self._opened:
            return 0
        opened = self._opened[symbol]
        later = pl.col("open_time") > self._now() - opened.span.interval
        return int(opened.rows.select(later.sum()).collect().item())

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        opened, now = self._open(symbol), self._now()
        native = opened.span.interval
        if native > self._interval or self._interval % native:
            raise InputError(
                f"{self._path(symbol)} holds candles of {timeframe(native)}, from which candles of "
                f"{timeframe(self._interval)} cannot be made; set CRYPTO_FEATURES_INTERVAL to {timeframe(native)}"
                f"{' or a multiple that divides a day' if native < _DAY else ''}."
            )
        over = min(end, now - native + timedelta(microseconds=1))
        rows = opened.rows.filter(pl.col("open_time").is_between(start, over, closed="left"))
        try:
            candles = rows.select(symbol=pl.lit(symbol), **{name: pl.col(name) for name in _VALUES}).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{self._path(symbol)} cannot be read ({why}). Copy it again from its origin.") from None
        if native == self._interval:
            return candles if candles["open_time"].is_sorted() else candles.sort("open_time")
        good, rejected = validate(candles, native, now)
        if rejected.height:
            raise InputError(
                f"{self._path(symbol)}: the candle of {rejected['open_time'][0]} breaks {rejected['rule'][0]}; candles "
                f"of {timeframe(self._interval)} cannot be made from it. Correct it, or set "
                f"CRYPTO_FEATURES_INTERVAL to {timeframe(native)}."
            )
        return resample(good, native, self._interval, as_of=now).select(CANDLE_SCHEMA.names())

    def _files(self) -> dict[str, Path]:
        return _candle_files(self._folder, self._names)

    def _path(self, symbol: str) -> Path:
        paths = self._files()
        if symbol not in paths:
            raise UnknownNameError("symbol", symbol, paths, f"These are the files in {self._folder}.")
        return paths[symbol]

    def _open(self, symbol: str) -> "_Opened":
        """The file's rows, opened anew when it changed."""
        path = self._path(symbol)
        signature = _signature(path)
        if symbol not in self._opened or self._opened[symbol].signature != signature:
            spool = self._spool_folder / f"{symbol}.parquet"
            rows = open_file(path, symbol, self._columns, self._stamps, spool)
            self._opened[symbol] = _Opened(signature, rows, self._span_of(rows))
        return self._opened[symbol]

    def _span(self, symbol: str) -> "_Span":
        """The file's span, which is kept on disk: a run with nothing new opens no file."""
        path = self._path(symbol)
        if self._cache is None or symbol in self._opened:
            return self._open(symbol).span
        key = f"{path.resolve()} {_signature(path)} {self._columns} {self._stamps}"
        digest, kept = hashlib.sha256(key.encode()).hexdigest(), self._cache / symbol
        try:
            known, first, last, step = kept.read_text().split()
            if known == digest:
                return _Span(
                    datetime.fromisoformat(first), datetime.fromisoformat(last), timedelta(seconds=float(step))
                )
        except (FileNotFoundError, ValueError):
            pass  # never written, or torn by a kill.
        span = self._open(symbol).span
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(f"{digest} {span.first.isoformat()} {span.last.isoformat()} {span.interval.total_seconds()}")
        return span

    def _span_of(self, rows: pl.LazyFrame) -> "_Span":
        time = pl.col("open_time")
        step = time.sort().diff().drop_nulls().quantile(0.5, "nearest")
        first, last, commonest = rows.select(first=time.min(), last=time.max(), step=step).collect().row(0)
        return _Span(first, last, commonest or self._interval)

    @cached_property
    def _spool_folder(self) -> Path:
        folder = tempfile.mkdtemp(prefix="crypto-features-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


@dataclass(frozen=True)
class _Opened:
    """A file at one state of its content."""

    signature: str
    rows: pl.LazyFrame
    span: "_Span"


@dataclass(frozen=True)
class _Span:
    """Open time of a file's first and last candle, and the commonest distance of two."""

    first: datetime
    last: datetime
    interval: timedelta


def _signature(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _symbol(path: Path) -> str:
    try:
        return check_symbol(path.stem.upper())
    except InputError as error:
        raise InputError(
            f"{path}: {error} Rename the file to its symbol, such as BTC{path.suffix}, or move it away."
        ) from None


def _candle_files(folder: Path, only: Sequence[str] | None) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(
            f"CRYPTO_FEATURES_FILES: {folder} is no folder; name one with <SYMBOL>.parquet or <SYMBOL>.csv."
        )
    names = sorted(path.name for path in folder.iterdir())
    missing = sorted({*(only or ())}.difference(names))
    if missing:
        raise InputError(f"{folder} does not hold {missing[0]}; it holds {', '.join(names[:5]) or 'nothing'}.")
    paths: dict[str, Path] = {}
    for path in (folder / name for name in (names if only is None else sorted(only))):
        if path.suffix.lower() not in _SUFFIXES or path.name.startswith("."):
            continue
        symbol = _symbol(path)
        if symbol in paths:
            raise InputError(f"{path} and {paths[symbol].name} both hold {symbol}; keep one of them.")
        paths[symbol] = path
    if not paths:
        found = ", ".join(names[:5]) or "nothing"
        raise InputError(
            f"CRYPTO_FEATURES_FILES: {folder} holds no <SYMBOL>.parquet or <SYMBOL>.csv; it holds {found}."
        )
    return paths
