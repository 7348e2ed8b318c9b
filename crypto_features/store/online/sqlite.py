"""Guarded rows in one SQLite file: the embedded default, safe for threads, processes and forks."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crypto_features.store.errors import StoreUnreachableError
from crypto_features.store.online.backend import StoredRow

_WAIT_MILLISECONDS = 30_000
_MOST_KEYS = 30_000  # of SQLite's 32,766 variables a statement.
_SWITCHES = "__switches"


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
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    @staticmethod
    def _create(connection: sqlite3.Connection, table: str) -> None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {_quoted(table)} (key BLOB PRIMARY KEY, event INTEGER NOT NULL, "
            "created INTEGER NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID"
        )

    def _select(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._connection().execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise self._unreachable(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        except sqlite3.OperationalError as error:
            raise self._unreachable(error) from error

    def _connection(self) -> sqlite3.Connection:
        local = self._local
        # A connection must not cross a fork, and a file that was replaced must be opened again.
        if getattr(local, "process", None) != os.getpid() or local.connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            local.connection = sqlite3.connect(self.path, timeout=_WAIT_MILLISECONDS / 1000, isolation_level=None)
            local.connection.execute("PRAGMA journal_mode = WAL")
            local.connection.execute("PRAGMA synchronous = NORMAL")
            local.process = os.getpid()
        connection: sqlite3.Connection = local.connection
        return connection

    def _unreachable(self, error: Exception) -> StoreUnreachableError:
        return StoreUnreachableError(f"the online store {self.path} does not answer: {error}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
