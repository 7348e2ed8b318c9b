"""Guarded rows in one SQLite file: the embedded default, safe for threads, processes and forks."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crypto_features.store.errors import FencedError, StoreMisusedError
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features.store.online.switch_file import SwitchFile
from crypto_features.whole_file import make_folder
from crypto_features_reader.memory import Memory
from crypto_features_reader.seal import sealed
from crypto_features_reader.sqlite import SWITCHES, SqliteReader, quoted


class SqliteBackend(SqliteReader):
    """A file that is made when it is first written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._switch_file: SwitchFile = SwitchFile(path)

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        name = quoted(table)
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

    def withdraw(self, table: str, after: int) -> int:
        if not self.has(table):
            return 0
        with self._transaction() as connection:
            return connection.execute(f"DELETE FROM {quoted(table)} WHERE event > ?", (after,)).rowcount  # noqa: S608 - quoted.

    def create(self, table: str) -> None:
        """Nothing to do: a table is there from its first publish on, which tells it from one that was lost."""

    def drop(self, table: str) -> None:
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {quoted(table)}")

    def switch_off(self, name: str, why: str) -> None:
        self._switch_file.off(name, why)

    def switch_on(self, name: str) -> None:
        if name in self._older_switches():
            with self._transaction() as connection:
                connection.execute(f"DELETE FROM {SWITCHES} WHERE name = ?", (name,))  # noqa: S608 - a constant.
        self._switch_file.on(name)

    @staticmethod
    def _create(connection: sqlite3.Connection, table: str) -> None:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {quoted(table)} (key BLOB PRIMARY KEY, event INTEGER NOT NULL, "
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

    def _connected(self) -> tuple[sqlite3.Connection, None]:
        try:
            make_folder(self.path.parent)
        except OSError as error:
            raise StoreMisusedError(
                f"no online store can lie at {self.path}: {error}. Give it a folder that can be written."
            ) from error
        return self._connection("mode=rwc"), None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged outlives a power cut.
