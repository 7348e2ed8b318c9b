"""The files source: a folder of candle files, as vendors write them."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features import clock
from crypto_features.compute.resample import resample
from crypto_features.durations import timeframe
from crypto_features.errors import CryptoFeaturesError, InputError, UnknownNameError
from crypto_features.lake.contract import CANDLE_SCHEMA, in_schema, validate
from crypto_features.sources.folder import Listing, listing, market_of, state
from crypto_features.sources.joined import Part, fitting, joined
from crypto_features.sources.remembered import Remembered, recall, remember, signature
from crypto_features.sources.source import Shorter, Source
from crypto_features.sources.vendor import Choices, Span, VendorFile, open_file
from crypto_features.sources.vendor.filename import parse
from crypto_features.sources.vendor.markets import OWN

_VALUES = tuple(name for name in CANDLE_SCHEMA.names() if name not in ("symbol", "completeness"))
_DAY = timedelta(days=1)


class FilesSource(Source):
    """The candles of a folder whose files are named after their markets, or have a column that names them.

    Names, columns and stamps of the common vendors are recognized; what could be read in two ways is an error that
    shows the first rows and the setting that decides. A file that cannot be read fails its symbol and no other.
    Several files of one symbol are one history. Candles shorter than the interval are resampled.

    Args:
        folder: The folder.
        interval: Length of a candle.
        choices: What the files leave open.
        now: The clock.
        cache: Where to remember what each file holds, so that it is not opened before it changes.
        names: Only these files of the folder; by default all, also those in folders below.
        wait: How long after a candle's close the shorter ones that it is made from may still come.
        venue: Where the candles come from, such as `binance spot USDT`.
    """

    watched = True

    def __init__(
        self,
        folder: str | Path,
        interval: timedelta,
        choices: Choices | None = None,
        *,
        now: Callable[[], datetime] = clock.now,
        cache: UPath | None = None,
        names: Sequence[str] | None = None,
        wait: timedelta = timedelta(0),
        venue: str = "files",
    ) -> None:
        self.venue = venue
        self._folder, self._interval, self._now, self._wait = Path(folder), interval, now, wait
        self._choices, self._cache, self._names = choices or Choices(), cache, names
        self._looked: dict[Path, tuple[str, Remembered]] = {}
        self._opened: dict[Path, tuple[str, VendorFile]] = {}
        self._listed: tuple[object, Listing] | None = None
        self._shorter: dict[tuple[str, datetime, datetime], Shorter] = {}

    @property
    def name(self) -> str:
        return f"files in {self._folder}"

    def symbols(self) -> tuple[str, ...]:
        """Every symbol on offer, sorted; one whose files cannot be read is among them, and its fetch says why.

        Raises:
            InputError: if the folder is missing, or holds no candle file.
        """
        found = self._listing()
        named = [symbol for symbol, paths in found.named.items() if not all(map(self._holds_many, paths))]
        symbols = {*named, *self._by_column(found)}
        if not symbols:
            raise InputError(next(map(self._why_nameless, found.nameless)))
        return tuple(sorted(symbols))

    def start(self, symbols: Sequence[str]) -> datetime:
        first = min(span.first for span in self._spans(symbols or self.symbols()))
        return first - (first - first.replace(hour=0, minute=0, second=0, microsecond=0)) % self._interval

    def end(self) -> datetime:
        spans = self._spans(self.symbols())
        return max(span.last + (span.length.interval if span.length else self._interval) for span in spans)

    def known_start(self, symbols: Sequence[str]) -> datetime | None:
        try:
            found = self._listing()
            every = [*found.nameless, *(path for paths in found.named.values() for path in paths)]
            is_named = symbols and found.named.keys() >= {*symbols}
            paths = [path for symbol in symbols for path in found.named[symbol]] if is_named else every
        except InputError:
            return None
        known = [self._recalled(path) for path in paths]
        if any(one is None for one in known):
            return None
        return min((span.first for one in known if one for span in one.spans.values()), default=None)

    def mark(self, symbol: str, start: datetime, end: datetime) -> str:
        signatures = ", ".join(f"{path.name} {signature(path)}" for path in self._chosen(symbol))
        return f"{signatures} by {self._interval} {self._choices}"

    def later(self, symbol: str) -> int:
        later, opened = 0, {*self._opened}
        with suppress(CryptoFeaturesError):
            for part in (self._part(path, symbol) for path in self._chosen(symbol) if path in opened):
                too_late = pl.col("open_time") > self._now() - self._length([part])
                later += int(part.rows.select(too_late.sum()).collect().item())
        return later

    def passed_over(self) -> Mapping[str, str]:
        """Each file of the folder, and each market of a file of many, that is not read, with the reason."""
        found = self._listing()
        passed = dict(found.passed_over)
        for path in found.nameless:
            if not self._holds_many(path):
                passed[self._shown(path)] = self._why_nameless(path)
        for path in [*found.nameless, *(path for paths in found.named.values() for path in paths)]:
            passed |= {f"{market} in {self._shown(path)}": why for market, why in self._look(path).passed_over.items()}
        for symbol, paths in found.named.items():
            with suppress(CryptoFeaturesError):
                chosen = self._chosen(symbol)
                passed |= {
                    self._shown(path): "candles of another length are read" for path in paths if path not in chosen
                }
        return passed

    def files(self, symbol: str) -> tuple[str, ...]:
        """The files, by their paths within the folder, that a symbol's candles are read from."""
        return tuple(self._shown(path) for path in self._chosen(symbol))

    def shorter(self, symbol: str, start: datetime, end: datetime) -> Shorter | None:
        return self._shorter.pop((symbol, start, end), None)

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts = [self._part(path, symbol) for path in self._chosen(symbol)]
        native, now = self._length(parts), self._now()
        if native > self._interval or self._interval % native:
            raise InputError(self._does_not_fit(parts, native))
        over = min(end, now - native + timedelta(microseconds=1))
        rows = joined(parts).filter(pl.col("open_time").is_between(start, over, closed="left"))
        try:
            candles = rows.select(symbol=pl.lit(symbol), **{name: pl.col(name) for name in _VALUES}).collect()
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{parts[0].path} cannot be read ({why}). Copy it again from its origin.") from None
        candles = in_schema(candles)
        if native == self._interval:
            return candles if candles["open_time"].is_sorted() else candles.sort("open_time")
        good, rejected = validate(candles, native, now)
        self._shorter[symbol, start, end] = Shorter(candles.height, rejected)
        return resample(good, native, self._interval, as_of=now, wait=self._wait)

    def _length(self, parts: Sequence[Part]) -> timedelta:
        lengths = [part.span.length.interval for part in parts if part.span.length]
        return lengths[0] if lengths else self._interval

    def _does_not_fit(self, parts: Sequence[Part], native: timedelta) -> str:
        dividing = " or a multiple that divides a day" if native < _DAY else ""
        text = (
            f"{parts[0].path} holds candles of {timeframe(native)}, from which candles of {timeframe(self._interval)} "
            f"cannot be made; "
        )
        if any(part.span.length and not part.span.length.is_certain for part in parts):
            return (
                f"{text}its few candles leave their length open: set CRYPTO_FEATURES_FILES_INTERVAL to it, such as "
                f"{timeframe(self._interval)}, and only if it is {timeframe(native)}, CRYPTO_FEATURES_INTERVAL, too."
            )
        if _DAY % native:
            return f"{text}take files of candles that divide a day."
        return f"{text}set CRYPTO_FEATURES_INTERVAL to {timeframe(native)}{dividing}."

    def _listing(self) -> Listing:
        """The folder's files, listed again when it changed."""
        if self._listed is None or self._listed[0] != state(self._listed[1].folders):
            found = listing(self._folder, self._names)
            self._listed = state(found.folders), found
        return self._listed[1]

    def _by_column(self, found: Listing) -> dict[str, list[Path]]:
        """By symbol, the files that hold it among others; one that has files of its own is read from those."""
        paths = [*found.nameless, *(path for paths in found.named.values() for path in paths)]
        by_column: dict[str, list[Path]] = {}
        for path in filter(self._holds_many, paths):
            look = self._look(path)
            for symbol in (*look.spans, *look.failed):
                by_column.setdefault(symbol, []).append(path)
        return by_column

    def _holds_many(self, path: Path) -> bool:
        return not self._look(path).spans.keys() <= {OWN}

    def _why_nameless(self, path: Path) -> str:
        """Why a file whose name is not a symbol is not read either by a column that names its markets."""
        return self._look(path).error or (
            f"{path.name} is not named after a market, and no column of it names several; rename it, such as BTC.csv."
        )

    def _paths(self, symbol: str) -> list[Path]:
        found = self._listing()
        own = [path for path in found.named.get(symbol, ()) if not self._holds_many(path)]
        paths = own or self._by_column(found).get(symbol, [])
        if not paths:
            hint = f"These are the files in {self._folder}."
            raise UnknownNameError("symbol", symbol, self.symbols(), hint)
        return paths

    def _chosen(self, symbol: str) -> list[Path]:
        """Those of one length, from which candles of the interval are best made."""
        paths = self._paths(symbol)
        lengths = {path: self._choices.length or parse(path.name).length for path in paths}
        if len(paths) > 1:
            for path in (path for path, length in lengths.items() if length is None):
                span = next(iter(self._look(path).spans.values()), None)
                lengths[path] = span.length.interval if span and span.length else None
        known = [length for length in lengths.values() if length]
        best = fitting(known, self._interval) if known else None
        return [path for path in paths if lengths[path] in (None, best)]

    def _spans(self, symbols: Sequence[str]) -> list[Span]:
        """The spans of the symbols that can be read.

        Raises:
            CryptoFeaturesError: if none can be.
        """
        spans: list[Span] = []
        errors: list[CryptoFeaturesError] = []
        for symbol in symbols:
            try:
                looks = [self._look(path) for path in self._chosen(symbol)]
            except CryptoFeaturesError as error:
                errors.append(error)
                continue
            spans += [span for look in looks for of, span in look.spans.items() if of in (OWN, symbol)]
            whys = [look.failed.get(symbol, look.error) for look in looks]
            errors += [InputError(why) for why in whys if why]
        if not spans:
            raise errors[0]
        return spans

    def _part(self, path: Path, symbol: str) -> Part:
        found = self._open(path)
        of = OWN if OWN in found.spans else symbol
        if of in found.failed:
            raise InputError(found.failed[of])
        rows = found.rows if of == OWN else found.rows.filter(pl.col("symbol") == symbol)
        return Part(path, rows.drop("symbol"), found.spans[of])

    def _look(self, path: Path) -> Remembered:
        """What a file holds, opened only if that is not remembered."""
        try:
            now = signature(path)
        except InputError as error:
            return Remembered({}, str(error))
        looked = self._looked.get(path)
        if looked is None or looked[0] != now:
            looked = self._looked[path] = now, self._recalled(path) or self._opened_and_remembered(path)
        return looked[1]

    def _recalled(self, path: Path) -> Remembered | None:
        """What is known of a file without opening it; `None` if nothing is."""
        try:
            return recall(self._cache, path, self._choices) if self._cache is not None else None
        except InputError as error:
            return Remembered({}, str(error))

    def _opened_and_remembered(self, path: Path) -> Remembered:
        try:
            opened = self._open(path)
            found = Remembered(opened.spans, failed=opened.failed, passed_over=opened.passed_over)
        except InputError as error:
            found = Remembered({}, str(error))
        if self._cache is not None:
            remember(self._cache, path, self._choices, found)
        return found

    def _open(self, path: Path) -> VendorFile:
        """A file's rows, opened again when it changed."""
        now = signature(path)
        if path not in self._opened or self._opened[path][0] != now:
            spool = Path(tempfile.mkdtemp(dir=self._spool_folder))
            try:
                market = market_of(path, self._folder) or path.stem
                self._opened[path] = now, open_file(path, market, self._choices, spool)
            except OSError as error:
                raise InputError(f"{path} cannot be read ({error}). Correct that, or move it away.") from None
        return self._opened[path][1]

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._folder))

    @cached_property
    def _spool_folder(self) -> Path:
        folder = tempfile.mkdtemp(prefix="crypto-features-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)
