"""News of a SQLite file for whoever watches it."""

import asyncio
import sqlite3
from pathlib import Path
from time import monotonic

from crypto_features_reader.changes import Changes
from crypto_features_reader.sqlite import identity

_NEWS_SECONDS = 0.001
"""How often a watcher looks whether something was published while that may be."""
_COMMIT_SECONDS, _NEXT_SECONDS = 1.0, 0.02
"""How long after a write to the file a commit may follow, and another one after a commit was seen."""


class SqliteNews:
    """News of a file: SQLite's number of the changes that other connections made, which takes microseconds to read.

    Linux reports that something is written, before it is committed; elsewhere the number is read all the time.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, identity(path)
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        self._seen, self._seen_at = self._version(), float("-inf")
        try:
            self._changes: Changes | None = Changes(path)
        except (OSError, NotImplementedError):
            self._changes = None

    async def wait(self, seconds: float) -> None:
        if self._file != identity(self._path):
            raise FileNotFoundError(self._path)  # it was replaced, and this is the old one.
        end = monotonic() + seconds
        while (version := self._version()) == self._seen and (left := end - monotonic()) > 0:
            if self._changes is None or self._is_written(self._changes):
                await asyncio.sleep(min(_NEWS_SECONDS, left))
            else:
                await self._changes.wait(left)
        if version != self._seen:
            self._seen, self._seen_at = version, monotonic()

    async def close(self) -> None:
        if self._changes is not None:
            self._changes.close()
        self._connection.close()

    def _is_written(self, changes: Changes) -> bool:
        """Whether a commit may follow that nobody reports: SQLite makes it visible in memory that is shared."""
        longest = _NEXT_SECONDS if self._seen_at >= changes.at else _COMMIT_SECONDS
        return monotonic() - changes.at < longest

    def _version(self) -> int:
        ((version,),) = self._connection.execute("PRAGMA data_version").fetchall()
        return int(version)
