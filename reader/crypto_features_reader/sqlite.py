"""Guarded rows in one SQLite file: the embedded default, safe for threads, processes and forks."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from crypto_features.store.errors import FencedError, StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features.store.online.changes import Changes
from crypto_features.store.online.memory import Memory
from crypto_features.store.online.seal import sealed, unsealed
from crypto_features.store.online.switch_file import SwitchFile
from crypto_features.store.sqlite_seal import removal, tells_damage
from crypto_features.whole_file import make_folder

_WAIT_MILLISECONDS = 30_000
_MOST_VARIABLES = 30_000  # of SQLite's 32,766 a statement.
_LOOK_SECONDS = 0.5
"""How often a reader looks whether its log is still there, which costs as much as half a read."""
_NEWS_SECONDS = 0.001
"""How often a watcher looks whether something was published while that may be."""
_COMMIT_SECONDS, _NEXT_SECONDS = 1.0, 0.02
"""How long after a write to the file a commit may follow, and another one after a commit was seen."""
_SWITCHES = "__switches"

_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process: even closing one here would release the parent's locks."""


class _Opened:
    """A connection of one thread, and the rows that it has read since the file last changed."""

    def __init__(
        self, connection: sqlite3.Connection, place: str, file: tuple[int, int] | None, log: tuple[int, int] | None
    ) -> None:
        self.connection, self.place, self.file, self.log, self.process = connection, place, file, log, os.getpid()
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
            found = self.fetched(f"SELECT * FROM {_quoted(table)}")  # noqa: S608 - quoted.
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


class SqliteNews:
    """News of a file: SQLite's number of the changes that other connections made, which takes microseconds to read.

    Linux reports that something is written, before it is committed; elsewhere the number is read all the time.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _identity(path)
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        self._seen, self._seen_at = self._version(), float("-inf")
        try:
            self._changes: Changes | None = Changes(path)
        except (OSError, NotImplementedError):
            self._changes = None

    async def wait(self, seconds: float) -> None:
        if self._file != _identity(self._path):
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


class SqliteBackend:
    """One connection a thread; readers never wait for a writer, and see the state before or after a publish."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = f"{path}-wal"
        self._local = threading.local()
        self._switch_file = SwitchFile(path)

    @property
    def name(self) -> str:
        return str(self.path)

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        name = _quoted(table)
        with self._transaction() as connection:
            if fence is not None:
                held = "SELECT 1 FROM __writers WHERE name = ? AND generation = ?"
                if connection.execute(held, fence).fetchone() is None:
                    raise FencedError(fence.name)
            self._create(connection, table)
            connection.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "  # noqa: S608 - quoted.
                "event = excluded.event, created = excluded.created, payload = excluded.payload "
                "WHERE (excluded.event, excluded.created) >= (event, created)",
                [sealed(table, row) for row in rows],
            )

    def claim(self, name: str) -> Fence:
        with self._transaction() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS __writers (name TEXT PRIMARY KEY, generation INTEGER NOT NULL)"
            )
            ((generation,),) = connection.execute(
                "INSERT INTO __writers VALUES (?, 1) "
                "ON CONFLICT (name) DO UPDATE SET generation = generation + 1 RETURNING generation",
                (name,),
            ).fetchall()
        return Fence(name, generation)

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        with self._errors():
            return self._opened().read(wanted) if self._is_there() else {table: {} for table in wanted}

    def scan(self, table: str) -> list[StoredRow]:
        with self._errors():
            return self._opened().select(table) if self._is_there() else []

    def has(self, table: str) -> bool:
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        with self._errors():
            return self._is_there() and bool(self._opened().connection.execute(known, (table,)).fetchall())

    def withdraw(self, table: str, after: int) -> int:
        if not self.has(table):
            return 0
        with self._transaction() as connection:
            return connection.execute(f"DELETE FROM {_quoted(table)} WHERE event > ?", (after,)).rowcount  # noqa: S608 - quoted.

    def create(self, table: str) -> None:
        """Nothing to do: a table is there from its first publish on, which tells it from one that was lost."""

    def drop(self, table: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")

    def switches(self) -> Mapping[str, str]:
        return {**self._older_switches(), **self._switch_file.read()}

    def switch_off(self, name: str, why: str) -> None:
        self._switch_file.off(name, why)

    def switch_on(self, name: str) -> None:
        if name in self._older_switches():
            with self._transaction() as connection:
                connection.execute(f"DELETE FROM {_SWITCHES} WHERE name = ?", (name,))  # noqa: S608 - a constant.
        self._switch_file.on(name)

    def _older_switches(self) -> Mapping[str, str]:
        """Those that were kept beside the rows, as version 0.1 did."""
        with self._errors():
            if not self._is_there():
                return {}
            return dict(self._opened().fetched(f"SELECT name, why FROM {_SWITCHES}"))  # noqa: S608 - a constant.

    async def news(self) -> SqliteNews:
        return SqliteNews(self.path)

    def close(self) -> None:
        opened: _Opened | None = getattr(self._local, "opened", None)
        self._local.opened = None
        if opened is not None and opened.process == os.getpid():
            opened.connection.close()
        elif opened is not None:
            _inherited.append(opened.connection)

    @staticmethod
    def _create(connection: sqlite3.Connection, table: str) -> None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_quoted(table)} (key BLOB PRIMARY KEY, event INTEGER NOT NULL, "
            "created INTEGER NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID"
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            opened = self._opened()
            opened.memory = Memory()  # SQLite counts the changes of others only.
            connection = opened.connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

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
        return os.path.exists(self.path) or self.path.parent.is_file()  # noqa: PTH110 - as in `_identity`.

    def _opened(self) -> _Opened:
        opened: _Opened | None = getattr(self._local, "opened", None)
        # A connection must not cross a fork; and of a file that was replaced it goes on reading the old one forever.
        if opened is None or opened.process != os.getpid() or opened.file != _identity(self.path):
            self.close()
            try:
                make_folder(self.path.parent)
            except OSError as error:
                raise StoreMisusedError(
                    f"no online store can lie at {self.path}: {error}. Give it a folder that can be written."
                ) from error
            connection = sqlite3.connect(self.path, timeout=_WAIT_MILLISECONDS / 1000, isolation_level=None)
            file = _identity(self.path)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged outlives a power cut.
                connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # from now on there is a log.
            except BaseException:
                connection.close()
                raise
            self._local.opened = opened = _Opened(connection, str(self.path), file, _identity(self._log))
        elif monotonic() - opened.looked > _LOOK_SECONDS:
            if opened.log != _identity(self._log):
                # Its rows are those of a log that nobody else sees, and to close it would write them over the file.
                raise StoreMisusedError(
                    f"{self._log} was removed while this process had it open; end every process that uses {self.path}, "
                    "restore the file if that was meant, and start them again."
                )
            opened.looked = monotonic()
        return opened


def _identity(path: Path | str) -> tuple[int, int] | None:
    """What tells a file from another one at the same path."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of pathlib's, in each read.
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@lru_cache(maxsize=256)
def _select(table: str, keys: int) -> str:
    return f"SELECT * FROM {_quoted(table)} WHERE key IN ({','.join('?' * keys)})"  # noqa: S608 - quoted.


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
