"""Nouns of the tests of vendors' files: rows of candles, as a text, and the source over a folder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from crypto_features.sources.files import FilesSource
from crypto_features.sources.vendor import Choices
from tests.market.market import HOUR, START

LONG_AGO, END = datetime(2009, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
HEADER = "time,open,high,low,close,volume"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
_CHOICES = {field.name for field in fields(Choices)}


def iso(time: datetime) -> str:
    """A stamp that only one way reads."""
    return f"{time:%Y-%m-%d %H:%M:%S}"


def epoch(time: datetime) -> int:
    """Seconds since 1970."""
    return int(time.timestamp())


def opens(count: int, step: timedelta = HOUR, start: datetime = START) -> list[datetime]:
    """Open times one step apart."""
    return [start + i * step for i in range(count)]


def text(times: Iterable[datetime], stamp: Callable[[datetime], object] = iso, header: str = HEADER) -> str:
    """A CSV of candles whose close is 101, 102, 103, ... and whose volume is 10."""
    rows = (f"{stamp(time)},{100 + i},{103 + i},{98 + i},{101 + i},10\n" for i, time in enumerate(times))
    return (f"{header}\n" if header else "") + "".join(rows)


def frame(times: Sequence[datetime], **columns: Any) -> pl.DataFrame:
    """The same as a frame."""
    numbers = pl.DataFrame({"time": times, "i": range(len(times))})
    close = 101.0 + pl.col("i")
    return numbers.select(
        "time", open=close - 1, high=close + 2, low=close - 3, close=close, volume=pl.lit(10.0), **columns
    )


def put(folder: Path, **files: str | bytes) -> Path:
    """The folder with these files, whose names are written with `__` for a dot."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def files(folder: Path, **options: Any) -> FilesSource:
    """The source over a folder, of hours unless `interval` says otherwise."""
    chosen = {name: options.pop(name) for name in [*options] if name in _CHOICES}
    return FilesSource(folder, choices=Choices(**chosen), **{"interval": HOUR, **options})


def candles_in(folder: Path, symbol: str = "BTC", **options: Any) -> pl.DataFrame:
    """Every candle of a symbol."""
    return files(folder, **options).fetch(symbol, LONG_AGO, END)


def times_in(folder: Path, symbol: str = "BTC", **options: Any) -> list[datetime]:
    """Their open times."""
    return candles_in(folder, symbol, **options)["open_time"].to_list()
