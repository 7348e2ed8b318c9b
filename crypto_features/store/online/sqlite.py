"""Guarded rows in one SQLite file: the embedded default, safe for threads, processes and forks."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import StoredRow

_WAIT_MILLISECONDS = 30_000
_MOST_KEYS = 30_000  # of SQLite's 32,766 variables a statement.
_SWITCHES = "__switches"
_UNREAD = StoredRow(b"", 0, 0, b"")

T = TypeVar("T")


_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process: even closing one here would release the parent's locks."""


class _Opened:
    """A connection of one thread, and the rows that it has read since the file last changed."""

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int] | None) -> None:
        self.connection, self.file, self.process = connection, file, os.getpid()
        self.version = -1
        self.rows: dict[str, dict[bytes, StoredRow | None]] = {}

    def read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        # The version is asked for before the rows: rows that are newer than it are dropped once too often, never kept.
        ((version,),) = self.connection.execute("PRAGMA data_version").fetchall()
        if version != self.version:
            self.rows, self.version = {}, version
        known = self.rows.setdefault(table, {})
        found = [known.get(key, _UNREAD) for key in keys]
        if _UNREAD in found:
            # All of them, not the missing ones only: an answer is of one moment.
            rows = {row[0]: StoredRow._make(row) for row in self.connection.execute(_select(table, len(keys)), keys)}
            if len(known) > _MOST_KEYS:
                known.clear()
            known.update((key, rows.get(key)) for key in keys)
            return rows
        return {key: row for key, row in zip(keys, found, strict=True) if row is not None}


class SqliteBackend:
    """One connection a thread; readers never wait for a writer, and see the state before or after a publish."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def write(self, table: str, rows: Sequence[StoredRow]) -> None:
        name = _quoted(table)
        with self._transaction() as connection:
            self._create(connection, table)
            connection.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "  # noqa: S608 - quoted.
                "event = excluded.event, created = excluded.created, payload = excluded.payload "
                "WHERE (excluded.event, excluded.created) >= (event, created)",
                rows,
            )

    def read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        if len(keys) > _MOST_KEYS:
            wanted = set(keys)
            return {row.key: row for row in self.scan(table) if row.key in wanted}
        return self._reading(lambda opened: opened.read(table, keys), {})

    def scan(self, table: str) -> list[StoredRow]:
        statement = f"SELECT * FROM {_quoted(table)}"  # noqa: S608 - quoted.
        return self._reading(lambda opened: [StoredRow._make(row) for row in opened.connection.execute(statement)], [])

    def create(self, table: str) -> None:
        with self._transaction() as connection:
            self._create(connection, table)

    def drop(self, table: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")

    def switches(self) -> Mapping[str, str]:
        statement = f"SELECT name, why FROM {_SWITCHES}"  # noqa: S608 - a constant.
        return self._reading(lambda opened: dict(opened.connection.execute(statement).fetchall()), {})

    def switch_off(self, name: str, why: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_SWITCHES} (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
            connection.execute(f"INSERT OR REPLACE INTO {_SWITCHES} VALUES (?, ?)", (name, why))  # noqa: S608 - a constant.

    def switch_on(self, name: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_SWITCHES} (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
            connection.execute(f"DELETE FROM {_SWITCHES} WHERE name = ?", (name,))  # noqa: S608 - a constant.

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

    def _reading(self, read: Callable[[_Opened], T], nothing: T) -> T:
        with self._errors():
            try:
                return read(self._opened())
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return nothing
                raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            opened = self._opened()
            opened.version = -1  # SQLite counts the changes of others only.
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
        except sqlite3.OperationalError as error:
            raise StoreUnreachableError(f"the online store {self.path} does not answer: {error}") from error
        except sqlite3.DatabaseError as error:
            self.close()  # the file may be replaced by a whole one.
            raise StoreMisusedError(
                f"{self.path} is damaged or is no SQLite file: {error}. Delete it and publish again, or restore a copy."
            ) from error

    def _opened(self) -> _Opened:
        opened: _Opened | None = getattr(self._local, "opened", None)
        # A connection must not cross a fork; and of a file that was replaced it goes on reading the old one for ever.
        if opened is None or opened.process != os.getpid() or opened.file != self._file():
            self.close()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_WAIT_MILLISECONDS / 1000, isolation_level=None)
            self._local.opened = opened = _Opened(connection, self._file())
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        return opened

    def _file(self) -> tuple[int, int] | None:
        """What tells a file from another one at the same path."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the time of pathlib's, in each read.
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


@lru_cache(maxsize=256)
def _select(table: str, keys: int) -> str:
    return f"SELECT * FROM {_quoted(table)} WHERE key IN ({','.join('?' * keys)})"  # noqa: S608 - quoted.


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
