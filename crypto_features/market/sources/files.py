"""The files source: a folder with one Parquet or CSV file a symbol, as vendors write them."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from crypto_features import clock
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.features import resample
from crypto_features.market.contract import validate
from crypto_features.market.names import check_symbol
from crypto_features.market.source import CANDLE_SCHEMA, Source
from crypto_features.market.vendor import open_file

_VALUES = tuple(CANDLE_SCHEMA.names()[1:])
_SPOOL_ROWS = 100_000
_SUFFIXES = (".csv", ".parquet")


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

    Raises:
        InputError: if the folder is missing, holds no candle file, or two files for one symbol.
    """

    def __init__(
        self,
        folder: str | Path,
        interval: timedelta,
        columns: Mapping[str, str] | None = None,
        stamps: str | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._folder, self._interval, self._now = Path(folder), interval, now
        self._columns, self._stamps = dict(columns or {}), stamps
        self._opened: dict[str, _Opened] = {}
        _candle_files(self._folder)

    @property
    def name(self) -> str:
        return f"files in {self._folder}"

    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(_candle_files(self._folder)))

    def start(self, symbols: Sequence[str]) -> datetime:
        first = min(self._edge(symbol, pl.col("open_time").min()) for symbol in symbols or self.symbols())
        return first - (first - first.replace(hour=0, minute=0, second=0, microsecond=0)) % self._interval

    def end(self) -> datetime:
        return max(self._edge(symbol, pl.col("open_time").max()) for symbol in self.symbols()) + self._interval

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        del start, end
        return f"{_signature(self._path(symbol))} by {self._interval} {self._columns} {self._stamps}"

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        opened, now = self._open(symbol), self._now()
        native = opened.interval
        if native > self._interval or self._interval % native:
            raise InputError(
                f"{self._path(symbol)} holds candles of {native}, from which candles of {self._interval} cannot be "
                f"made; set CRYPTO_FEATURES_INTERVAL to {native} or a multiple that divides a day."
            )
        rows = opened.rows.filter(
            pl.col("open_time").is_between(start, end, closed="left"), pl.col("open_time") + native <= now
        )
        try:
            candles = rows.select(symbol=pl.lit(symbol), **{name: pl.col(name) for name in _VALUES}).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{self._path(symbol)} cannot be read ({why}). Copy it again from its origin.") from None
        if native == self._interval:
            return candles.sort("open_time")
        good, rejected = validate(candles, native, now)
        if rejected.height:
            raise InputError(
                f"{self._path(symbol)}: the candle of {rejected['open_time'][0]} breaks {rejected['rule'][0]}; candles "
                f"of {self._interval} cannot be made from it. Correct it, or set CRYPTO_FEATURES_INTERVAL to {native}."
            )
        return resample(good, native, self._interval, as_of=now).select(CANDLE_SCHEMA.names())

    def _path(self, symbol: str) -> Path:
        paths = _candle_files(self._folder)
        if symbol not in paths:
            raise UnknownNameError("symbol", symbol, paths, f"These are the files in {self._folder}.")
        return paths[symbol]

    def _edge(self, symbol: str, expression: pl.Expr) -> datetime:
        rows = open_file(self._path(symbol), symbol, self._columns, self._stamps)
        edge = rows.select(expression).collect(engine="streaming").item()
        assert isinstance(edge, datetime)  # noqa: S101 - open_file refuses a file without a stamp.
        return edge

    def _open(self, symbol: str) -> "_Opened":
        """The file's rows, opened anew when it changed.

        A text is parsed once, in streams, into a Parquet file, from which a month is read without the rest.
        """
        path = self._path(symbol)
        signature = _signature(path)
        if symbol not in self._opened or self._opened[symbol].signature != signature:
            rows = open_file(path, symbol, self._columns, self._stamps)
            if path.suffix.lower() == ".csv":
                spool = self._spool_folder / f"{symbol}.parquet"
                rows.sink_parquet(spool, compression="lz4", row_group_size=_SPOOL_ROWS)
                rows = pl.scan_parquet(spool)
            self._opened[symbol] = _Opened(signature, rows, _commonest_step(rows) or self._interval)
        return self._opened[symbol]

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
    interval: timedelta


def _signature(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} bytes of {status.st_mtime_ns}"


def _commonest_step(rows: pl.LazyFrame) -> timedelta | None:
    steps = rows.select(pl.col("open_time").unique().sort().diff().drop_nulls()).collect().to_series()
    step = steps.mode().min()
    return step if isinstance(step, timedelta) else None


def _candle_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(
            f"CRYPTO_FEATURES_FILES: {folder} is no folder; name one with <SYMBOL>.parquet or <SYMBOL>.csv."
        )
    names = sorted(path.name for path in folder.iterdir())
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES or path.name.startswith("."):
            continue
        symbol = check_symbol(path.stem.upper())
        if symbol in paths:
            raise InputError(f"{path} and {paths[symbol].name} both hold {symbol}; keep one of them.")
        paths[symbol] = path
    if not paths:
        found = ", ".join(names[:5]) or "nothing"
        raise InputError(
            f"CRYPTO_FEATURES_FILES: {folder} holds no <SYMBOL>.parquet or <SYMBOL>.csv; it holds {found}."
        )
    return paths
