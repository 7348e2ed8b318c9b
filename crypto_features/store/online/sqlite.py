"""Guarded rows in one SQLite file: the embedded default, safe for threads, processes and forks."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import StoredRow

_WAIT_MILLISECONDS = 30_000
_MOST_KEYS = 30_000  # of SQLite's 32,766 variables a statement.
_SWITCHES = "__switches"


_inherited: list[sqlite3.Connection] = []
"""Connections of the parent process: even closing one here would release the parent's locks."""


class _Opened(NamedTuple):
    connection: sqlite3.Connection | None
    process: int
    file: tuple[int, int] | None


_NOTHING = _Opened(None, 0, None)


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
        marks = ",".join("?" * len(keys))
        rows = self._select(f"SELECT * FROM {_quoted(table)} WHERE key IN ({marks})", keys)  # noqa: S608 - quoted.
        return {row[0]: StoredRow._make(row) for row in rows}

    def scan(self, table: str) -> list[StoredRow]:
        return [StoredRow._make(row) for row in self._select(f"SELECT * FROM {_quoted(table)}", ())]  # noqa: S608

    def create(self, table: str) -> None:
        with self._transaction() as connection:
            self._create(connection, table)

    def drop(self, table: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")

    def switches(self) -> Mapping[str, str]:
        return dict(self._select(f"SELECT name, why FROM {_SWITCHES}", ()))  # noqa: S608 - a constant.

    def switch_off(self, name: str, why: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_SWITCHES} (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
            connection.execute(f"INSERT OR REPLACE INTO {_SWITCHES} VALUES (?, ?)", (name, why))  # noqa: S608

    def switch_on(self, name: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {_SWITCHES} (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
            connection.execute(f"DELETE FROM {_SWITCHES} WHERE name = ?", (name,))  # noqa: S608 - a constant.

    def close(self) -> None:
        connection, process, _ = getattr(self._local, "opened", _NOTHING)
        self._local.opened = _NOTHING
        if connection is None:
            return
        if process == os.getpid():
            connection.close()
        else:
            _inherited.append(connection)

    @staticmethod
    def _create(connection: sqlite3.Connection, table: str) -> None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_quoted(table)} (key BLOB PRIMARY KEY, event INTEGER NOT NULL, "
            "created INTEGER NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID"
        )

    def _select(self, statement: str, values: Sequence[object]) -> list[Any]:
        with self._errors():
            try:
                return self._connection().execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors():
            connection = self._connection()
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

    def _connection(self) -> sqlite3.Connection:
        connection, process, file = getattr(self._local, "opened", _NOTHING)
        # A connection must not cross a fork; and of a file that was replaced it goes on reading the old one for ever.
        if connection is None or process != os.getpid() or file != self._file():
            self.close()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_WAIT_MILLISECONDS / 1000, isolation_level=None)
            self._local.opened = _Opened(connection, os.getpid(), self._file())
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _file(self) -> tuple[int, int] | None:
        """What tells a file from another one at the same path."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the time of pathlib's, in each read.
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
