"""Candles that became final live, in the order in which they did: appended, on the disk before anybody sees them.

A file a UTC day and process, a line an entry: a checksum and the entry as JSON, which a person can read. A line that a
kill cut off at the end was never acknowledged, and is left out; one that is damaged before others is an error.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import polars as pl

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.live_files import file_name
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.dtypes import moments
from crypto_features.whole_file import make_folder, sync_folder

FOLDER = ".live/journal"
"""Where the journal of a data folder lies."""
VALUES = tuple(name for name in CANDLES.values if name != "completeness")


class Entry(NamedTuple):
    """A candle that became final, or that REST confirmed.

    Args:
        symbol: The symbol.
        open_time: When it opens, UTC.
        known_at: When it was known, UTC.
        how: `flag`, `successor` or `rest`; `agreed` if REST gave what was final already.
        values: By name what is known of it; nothing of one that was confirmed.
    """

    symbol: str
    open_time: datetime
    known_at: datetime
    how: str
    values: Mapping[str, float | int]


class Journal:
    """Appends entries to the journal of a data folder.

    Args:
        folder: The folder of its files, which need not exist.
        shard: Of several processes which one writes, such as `"2-of-3"`.
    """

    def __init__(self, folder: Path, shard: str = "") -> None:
        self._folder, self._shard = folder, shard
        self._file: tuple[Path, int] | None = None

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries, all with the same `known_at`; they are on the disk when it returns."""
        if not entries:
            return
        descriptor = self._opened(self._folder / file_name(f"{entries[0].known_at:%Y-%m-%d}", self._shard, ".jsonl"))
        lines = memoryview(b"".join(map(_line, entries)))
        while lines:
            lines = lines[os.write(descriptor, lines) :]
        os.fdatasync(descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def _opened(self, path: Path) -> int:
        if self._file is None or self._file[0] != path:
            self.close()
            make_folder(path.parent)
            _drop_torn(path)
            self._file = path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            sync_folder(path.parent)
        return self._file[1]


def read(
    folder: Path, start: Mapping[str, int] | None = None, *, since: datetime | None = None
) -> Iterator[tuple[Entry, str, int]]:
    """The entries in the order in which they were known, each with the name of its file and where it ends there.

    Args:
        folder: The folder of the journal, which need not exist.
        start: From where on each file is read; by default from its beginning.
        since: What was known before the UTC day of this time is left out; by default nothing is.

    Raises:
        UnreadableTableError: if a line is damaged that is not the end of a file.
    """
    first = "" if since is None else f"{since:%Y-%m-%d}"
    paths = sorted(path for path in folder.glob("*.jsonl") if path.name >= first)
    for _, same_day in groupby(paths, lambda path: path.name[: len("2024-01-01")]):
        parts = [_read(path, (start or {}).get(path.name, 0)) for path in same_day]
        yield from merge(*parts, key=lambda part: part[0].known_at)


def _read(path: Path, start: int) -> Iterator[tuple[Entry, str, int]]:
    with path.open("rb") as file:
        file.seek(start)
        content, at = file.read(), file.tell()
    at -= len(content)
    for line in _whole_lines(content, path):
        at += len(line)
        yield _entry(line), path.name, at


def frame(entries: Iterable[Entry]) -> pl.DataFrame:
    """The candles among some entries, in their order: symbol, `open_time`, the columns of candles and `known_at`."""
    told = [entry for entry in entries if entry.values]
    columns = {
        "symbol": pl.Series([entry.symbol for entry in told], dtype=pl.String),
        "open_time": moments([entry.open_time for entry in told]),
        "completeness": pl.Series([1.0] * len(told), dtype=pl.Float64),
        "known_at": moments([entry.known_at for entry in told]),
        **{name: pl.Series([e.values.get(name) for e in told], dtype=CANDLES.full_schema[name]) for name in VALUES},
    }
    return pl.DataFrame({name: columns[name] for name in (*CANDLES.full_schema, "known_at")})


def _line(entry: Entry) -> bytes:
    times = entry.open_time.isoformat(), entry.known_at.isoformat()
    text = json.dumps([entry.symbol, *times, entry.how, dict(entry.values)], separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _entry(line: bytes) -> Entry:
    symbol, opened, known, how, values = json.loads(line[9:])
    return Entry(symbol, datetime.fromisoformat(opened), datetime.fromisoformat(known), how, values)


def _is_whole(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:-1])


def _whole_lines(content: bytes, path: Path) -> list[bytes]:
    """The lines before the one that a kill cut off."""
    lines = content.splitlines(keepends=True)
    whole = [*map(_is_whole, lines)]
    count = whole.index(False) if False in whole else len(lines)
    if any(whole[count:]):
        raise UnreadableTableError(
            f"{path} is damaged in line {count + 1} of what was read, before entries that are whole. Restore the file "
            "from a copy; without one, move it aside: what the exchange still has is fetched again."
        )
    return lines[:count]


def _drop_torn(path: Path) -> None:
    """Cut off the end of a line that a killed writer left, so that the next one begins a line."""
    if path.exists():
        content = path.read_bytes()
        whole = sum(map(len, _whole_lines(content, path)))
        if whole < len(content):
            os.truncate(path, whole)
