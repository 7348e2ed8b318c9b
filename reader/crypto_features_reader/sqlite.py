"""Reading guarded rows in one SQLite file: safe for threads, processes and forks, and for a user who may only read."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from crypto_features_reader.backend import StoredRow
from crypto_features_reader.errors import StoreMisusedError, StoreUnreachableError
from crypto_features_reader.memory import Memory
from crypto_features_reader.seal import unsealed
from crypto_features_reader.sqlite_seal import removal, tells_damage
from crypto_features_reader.switch_file import ReadSwitchFile

if TYPE_CHECKING:
    from crypto_features_reader.sqlite_news import SqliteNews

WAIT_SECONDS = 30.0
_MOST_VARIABLES = 30_000  # of SQLite's 32,766 a statement.
_LOOK_SECONDS = 0.5
"""How often a reader looks whether its log is still there, which costs as much as half a read."""
SWITCHES = "__switches"
"""The table of the switches that are kept beside the rows, as version 0.1 did."""

_State = tuple[int, int, int]

_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process: even closing one here would release the parent's locks."""


class _Opened:
    """A connection of one thread, and the rows that it has read since the file last changed."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        place: str,
        file: tuple[int, int] | None,
        log: tuple[int, int] | None,
        frozen: _State | None,
    ) -> None:
        self.connection, self.place, self.file, self.log, self.process = connection, place, file, log, os.getpid()
        self.frozen = frozen
        self.memory = Memory()
        self.looked = monotonic()

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        # Rows may be newer than their version here: they are forgotten at the next read, and no other thread has them.
        ((version,),) = self.connection.execute("PRAGMA data_version").fetchall()
        found = {}
        for table, keys in wanted.items():
            rows = self.memory.recall(table, version, keys)
            if rows is None:
                rows = {row.key: row for row in self.select(table, keys)}
                self.memory.note(table, version, keys, rows)
            found[table] = rows
        return found

    def select(self, table: str, keys: Sequence[bytes] | None = None) -> list[StoredRow]:
        """The rows of those keys, or all; none of a table never written."""
        if keys is None or len(keys) > _MOST_VARIABLES:
            wanted = None if keys is None else set(keys)
            found = self.fetched(f"SELECT * FROM {quoted(table)}")  # noqa: S608 - quoted.
            found = [row for row in found if wanted is None or row[0] in wanted]
        else:
            found = self.fetched(_select(table, len(keys)), keys)
        return [unsealed(self.place, table, row) for row in found]

    def fetched(self, statement: str, values: Sequence[bytes] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; nothing in a table never written."""
        try:
            return self.connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


class SqliteReader:
    """One connection a thread; readers never wait for a writer, and see the state before or after a publish."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = f"{path}-wal"
        self._local = threading.local()
        self._switch_file = ReadSwitchFile(path)

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        with self._errors():
            while self._is_there():
                opened = self._opened()
                found = opened.read(wanted)
                if self._is_still(opened):
                    return found
            return {table: {} for table in wanted}

    def scan(self, table: str) -> list[StoredRow]:
        with self._errors():
            return self._opened().select(table) if self._is_there() else []

    def has(self, table: str) -> bool:
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        with self._errors():
            return self._is_there() and bool(self._opened().connection.execute(known, (table,)).fetchall())

    def switches(self) -> Mapping[str, str]:
        return {**self._older_switches(), **self._switch_file.read()}

    def _older_switches(self) -> Mapping[str, str]:
        """Those that were kept beside the rows, as version 0.1 did."""
        with self._errors():
            if not self._is_there():
                return {}
            return dict(self._opened().fetched(f"SELECT name, why FROM {SWITCHES}"))  # noqa: S608 - a constant.

    async def news(self) -> "SqliteNews":
        from crypto_features_reader.sqlite_news import SqliteNews

        return SqliteNews(self.path)

    def close(self) -> None:
        opened: _Opened | None = getattr(self._local, "opened", None)
        self._local.opened = None
        if opened is not None and opened.process == os.getpid():
            opened.connection.close()
        elif opened is not None:
            _inherited.append(opened.connection)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and not tells_damage(error):
                raise StoreUnreachableError(f"the online store {self.path} does not answer: {error}") from error
            self.close()  # the file may be replaced by a whole one.
            raise StoreMisusedError(
                f"{self.path} is damaged or is not a SQLite file: {error}. It holds the newest row of each symbol, "
                f"which the tables have, too. Restore a copy, or publish again: {removal(self.path)}; "
                "crypto-features run"
            ) from error

    def _is_there(self) -> bool:
        """Whether there is anything to read, or a fault for `_opened` to name: reading makes no file."""
        return os.path.exists(self.path) or self.path.parent.is_file()  # noqa: PTH110 - as in `identity`.

    def _opened(self) -> _Opened:
        opened: _Opened | None = getattr(self._local, "opened", None)
        # A connection must not cross a fork; and of a file that was replaced it goes on reading the old one forever.
        if (
            opened is None
            or opened.process != os.getpid()
            or opened.file != identity(self.path)
            or not self._is_still(opened)
        ):
            self.close()
            connection, frozen = self._connected()
            self._local.opened = opened = _Opened(
                connection, str(self.path), identity(self.path), identity(self._log), frozen
            )
        elif monotonic() - opened.looked > _LOOK_SECONDS:
            if opened.log != identity(self._log):
                # Its rows are those of a log that nobody else sees, and to close it would write them over the file.
                raise StoreMisusedError(
                    f"{self._log} was removed while this process had it open; end every process that uses {self.path}, "
                    "restore the file if that was meant, and start them again."
                )
            opened.looked = monotonic()
        return opened

    def _connected(self) -> tuple[sqlite3.Connection, _State | None]:
        """A connection that makes no file but the log's, and how the file was if it is read as one that stays so."""
        try:
            return self._connection("mode=rw"), None
        except sqlite3.OperationalError as error:
            # Who may only read cannot make the index of a log, which a file has only while a process has it open.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            frozen = self._state()
            if frozen is None:
                raise StoreUnreachableError(
                    f"{self.path} has a log whose index this user cannot make: have a process that may write keep it "
                    f"open, such as `crypto-features live`, or let this user write to {self.path.parent}"
                ) from error
        return self._connection("immutable=1"), frozen

    def _connection(self, how: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?{how}"
        connection = sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            self._prepare(connection)
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # from now on there is a log.
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """What a connection needs before it is used; a reader nothing."""

    def _is_still(self, opened: _Opened) -> bool:
        """Whether a file that is read as one that stays as it is did so."""
        return opened.frozen is None or opened.frozen == self._state()

    def _state(self) -> _State | None:
        """What every change of a file without a log changes; `None` if it has a log."""
        if identity(self._log) is not None:
            return None
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns


def identity(path: Path | str) -> tuple[int, int] | None:
    """What tells a file from another one at the same path."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of pathlib's, in each read.
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@lru_cache(maxsize=256)
def _select(table: str, keys: int) -> str:
    return f"SELECT * FROM {quoted(table)} WHERE key IN ({','.join('?' * keys)})"  # noqa: S608 - quoted.


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
