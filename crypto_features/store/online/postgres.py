"""Guarded rows in PostgreSQL: one table a view, published and read by one statement each."""

import atexit
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import StoredRow

_SECONDS = 5
_SWITCHES = "__switches"

_PUBLISH = """
INSERT INTO {table} SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::bytea[])
ON CONFLICT (key) DO UPDATE SET event = excluded.event, created = excluded.created, payload = excluded.payload
WHERE (excluded.event, excluded.created) >= ({table}.event, {table}.created)
"""


_REFUSALS = (
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
)
# libpq gives no code to a connection that was refused, only the server's words.
_REFUSED = re.compile(
    r"(role|database) \".*\" (does not exist|is not permitted to log in)|authentication failed|no password supplied"
    r"|no pg_hba.conf entry|permission denied for database"
)


class PostgresBackend:
    """A pool of connections a process; it reconnects by itself once the server is back."""

    def __init__(self, url: str) -> None:
        self._url = url
        where = conninfo_to_dict(url)
        self.name = f"postgresql://{where.get('host', 'local')}:{where.get('port', 5432)}/{where.get('dbname', '')}"
        self._pools: dict[int, ConnectionPool[Any]] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def write(self, table: str, rows: Sequence[StoredRow]) -> None:
        # Sorted, so that two publishers lock the rows in one order and never wait for each other in a circle.
        columns = [list(column) for column in zip(*sorted(rows), strict=True)]
        if not columns:
            return
        statement = sql.SQL(_PUBLISH).format(table=sql.Identifier(table))
        try:
            with self._connection() as connection:
                connection.execute(statement, columns)
        except psycopg.errors.UndefinedTable:
            self.create(table)
            with self._connection() as connection:
                connection.execute(statement, columns)

    def read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        statement = sql.SQL("SELECT * FROM {table} WHERE key = ANY(%s)").format(table=sql.Identifier(table))
        return {row.key: row for row in self._rows(statement, [list(keys)])}

    def scan(self, table: str) -> list[StoredRow]:
        return self._rows(sql.SQL("SELECT * FROM {table}").format(table=sql.Identifier(table)), [])

    def create(self, table: str) -> None:
        columns = "key bytea PRIMARY KEY, event bigint NOT NULL, created bigint NOT NULL, payload bytea NOT NULL"
        self._define(table, columns)

    def drop(self, table: str) -> None:
        with self._connection() as connection:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {table}").format(table=sql.Identifier(table)))

    def switches(self) -> Mapping[str, str]:
        try:
            with self._connection() as connection:
                return dict(connection.execute(f"SELECT name, why FROM {_SWITCHES}").fetchall())  # noqa: S608 - a constant.
        except psycopg.errors.UndefinedTable:
            return {}

    def switch_off(self, name: str, why: str) -> None:
        self._define(_SWITCHES, "name text PRIMARY KEY, why text NOT NULL")
        with self._connection() as connection:
            connection.execute(
                f"INSERT INTO {_SWITCHES} VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET why = excluded.why",  # noqa: S608
                [name, why],
            )

    def switch_on(self, name: str) -> None:
        self._define(_SWITCHES, "name text PRIMARY KEY, why text NOT NULL")
        with self._connection() as connection:
            connection.execute(f"DELETE FROM {_SWITCHES} WHERE name = %s", [name])  # noqa: S608 - a constant.

    def close(self) -> None:
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _define(self, table: str, columns: str) -> None:
        statement = sql.SQL("CREATE TABLE IF NOT EXISTS {table} ({columns})")
        with self._connection() as connection:
            # Two processes that create one table at the same moment collide in the catalog without this.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
            connection.execute(statement.format(table=sql.Identifier(table), columns=sql.SQL(columns)))

    def _rows(self, statement: sql.Composed, values: list[Any]) -> list[StoredRow]:
        try:
            with self._connection() as connection:
                return [StoredRow._make(row) for row in connection.execute(statement, values, binary=True).fetchall()]
        except psycopg.errors.UndefinedTable:
            return []

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            try:
                with self._pool().connection() as connection:
                    yield connection
            except PoolTimeout:
                self._probe()
                raise
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.InsufficientPrivilege) as error:
            if isinstance(error, _REFUSALS) or _REFUSED.search(str(error)):
                reason = str(error).strip().splitlines()[0].rpartition("FATAL:")[2].strip()
                raise StoreMisusedError(f"the online store {self.name} refuses: {reason}") from None
            message = f"the online store {self.name} does not answer: {type(error).__name__}"
            raise StoreUnreachableError(message) from None

    def _probe(self) -> None:
        """Connect once, for the reason that the pool does not tell."""
        psycopg.connect(self._url, connect_timeout=_SECONDS).close()

    def _pool(self) -> ConnectionPool[Any]:
        with self._lock:
            # A connection must not cross a fork.
            pool = self._pools.get(os.getpid())
            if pool is None:
                self._probe()
                pool = ConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=16,
                    timeout=_SECONDS,
                    check=ConnectionPool.check_connection,
                    kwargs={"connect_timeout": _SECONDS, "prepare_threshold": 1},
                    open=True,
                )
                self._pools[os.getpid()] = pool
            return pool
