"""The rows that were published live, each kept as it was until the batch has compared it with its own.

A file a view, UTC day and process, to which rows are appended before they are published: the checksum and length of a
frame, then the frame in Arrow's stream format, which keeps every bit. What a kill cut off at the end is left out.
"""

import io
import zlib
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.live_files import file_name
from crypto_features.tables.dtypes import TIME
from crypto_features.whole_file import make_folder, sync_folder

FOLDER = ".live/rows"
"""Where the rows of a data folder lie, a folder a view."""
AT, SINCE, VERSION, DAY = "live.at", "live.since", "live.version", "live.day"
"""Columns beside those of the table, whose names no column of a user has."""
PARTIAL = "live.partial"
"""Such a column of what is published, which is not kept: whether a row was computed before all symbols that it compares
were there."""
_SUFFIX = ".rows"
_HEADER = len(b"%08x %08x\n" % (0, 0))


class LiveRows:
    """Appends the rows that one process publishes.

    Args:
        folder: The folder of all views, which need not exist.
        since: Which state of the lake the process has loaded, UTC.
        shard: Of several processes which one it is, such as `"2-of-3"`.
    """

    def __init__(self, folder: Path, since: datetime, shard: str = "") -> None:
        self._folder, self._since, self._shard, self._opened = folder, since, shard, set[Path]()

    def append(self, view: str, rows: pl.DataFrame, at: datetime, version: str) -> None:
        """Keep rows of a view.

        Args:
            view: Its name.
            rows: What is published.
            at: When they were computed, UTC.
            version: That of the code that computed them.
        """
        path = self._folder / view / file_name(f"{at:%Y-%m-%d}", self._shard, _SUFFIX)
        if path not in self._opened:
            make_folder(path.parent)
            if path.exists():
                _drop_torn(path)
            self._opened.add(path)
        stamped = rows.drop(PARTIAL, strict=False).with_columns(
            pl.lit(at, TIME).alias(AT), pl.lit(self._since, TIME).alias(SINCE), pl.lit(version).alias(VERSION)
        )
        frame = io.BytesIO()
        stamped.write_ipc_stream(frame)
        content = frame.getvalue()
        with path.open("ab") as file:
            file.write(b"%08x %08x\n" % (zlib.crc32(content), len(content)) + content)


def read(folder: Path) -> pl.DataFrame:
    """The rows of a view in the order in which they were published, with the day of their file; no columns if none.

    Raises:
        UnreadableTableError: if a file is damaged before its end.
    """
    frames = [
        pl.read_ipc_stream(io.BytesIO(content)).with_columns(pl.lit(path.name.removesuffix(_SUFFIX)).alias(DAY))
        for path in sorted(folder.glob(f"*{_SUFFIX}"))
        for content, _ in _frames(path)
    ]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def prune(folder: Path, before: str, kept: Collection[str]) -> None:
    """Remove the files of the days before one, but those that are kept."""
    for path in folder.glob(f"*{_SUFFIX}"):
        day = path.name.removesuffix(_SUFFIX)
        if day < before and day not in kept:
            path.unlink(missing_ok=True)


def _frames(path: Path) -> Iterator[tuple[bytes, int]]:
    """The whole frames of a file, each with where it ends."""
    content, at = path.read_bytes(), 0
    while at < len(content):
        header = content[at : at + _HEADER]
        try:
            checksum, length = (int(number, 16) for number in header.split())
        except ValueError:
            checksum, length = -1, 0
        end = at + _HEADER + length
        frame = content[at + _HEADER : end]
        if len(header) < _HEADER or end > len(content):
            return  # a kill cut it off.
        if zlib.crc32(frame) != checksum:
            raise UnreadableTableError(
                f"{path} is damaged at byte {at}, so the rows that it keeps cannot be compared. Move it aside; what "
                "was published is not changed by that."
            )
        at = end
        yield frame, end


def _drop_torn(path: Path) -> None:
    """Cut off what a killed writer left, so that the next frame follows a whole one."""
    whole = max((end for _, end in _frames(path)), default=0)
    with path.open("r+b") as file:
        file.truncate(whole)
    sync_folder(path.parent)
