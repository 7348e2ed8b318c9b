"""Guarded rows in PostgreSQL: one table a view, published and read by one statement each."""

import atexit
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import StoredRow

_SECONDS = 5
_SWITCHES = "__switches"

_PUBLISH = """
INSERT INTO {table} SELECT * FROM unnest(%s::text::bytea[], %s::bigint[], %s::bigint[], %s::text::bytea[])
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


T = TypeVar("T")


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
        if not rows:
            return
        keys, events, creations, payloads = zip(*sorted(rows), strict=True)
        values = [_array(keys), list(events), list(creations), _array(payloads)]
        statement = sql.SQL(_PUBLISH).format(table=sql.Identifier(table))
        try:
            self._run(lambda connection: connection.execute(statement, values))
        except psycopg.errors.UndefinedTable:
            self.create(table)
            self._run(lambda connection: connection.execute(statement, values))

    def read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        statement = sql.SQL("SELECT * FROM {table} WHERE key = ANY(%s::text::bytea[])")
        return {row.key: row for row in self._rows(statement.format(table=sql.Identifier(table)), [_array(keys)])}

    def scan(self, table: str) -> list[StoredRow]:
        return self._rows(sql.SQL("SELECT * FROM {table}").format(table=sql.Identifier(table)), [])

    def create(self, table: str) -> None:
        columns = "key bytea PRIMARY KEY, event bigint NOT NULL, created bigint NOT NULL, payload bytea NOT NULL"
        self._define(table, columns)

    def drop(self, table: str) -> None:
        statement = sql.SQL("DROP TABLE IF EXISTS {table}").format(table=sql.Identifier(table))
        self._run(lambda connection: connection.execute(statement))

    def switches(self) -> Mapping[str, str]:
        try:
            return self._run(lambda c: dict(c.execute(f"SELECT name, why FROM {_SWITCHES}").fetchall()))  # noqa: S608 - a constant.
        except psycopg.errors.UndefinedTable:
            return {}

    def switch_off(self, name: str, why: str) -> None:
        self._define(_SWITCHES, "name text PRIMARY KEY, why text NOT NULL")
        statement = sql.SQL("INSERT INTO {t} VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET why = excluded.why")
        self._run(lambda c: c.execute(statement.format(t=sql.Identifier(_SWITCHES)), [name, why]))

    def switch_on(self, name: str) -> None:
        self._define(_SWITCHES, "name text PRIMARY KEY, why text NOT NULL")
        statement = sql.SQL("DELETE FROM {t} WHERE name = %s").format(t=sql.Identifier(_SWITCHES))
        self._run(lambda connection: connection.execute(statement, [name]))

    def close(self) -> None:
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _define(self, table: str, columns: str) -> None:
        statement = sql.SQL("CREATE TABLE IF NOT EXISTS {table} ({columns})").format(
            table=sql.Identifier(table), columns=sql.SQL(columns)
        )

        def define(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                # Two processes that create one table at the same moment collide in the catalog without this.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
                connection.execute(statement)

        self._run(define)

    def _rows(self, statement: sql.Composed, values: list[Any]) -> list[StoredRow]:
        try:
            rows = self._run(lambda connection: connection.execute(statement, values, binary=True).fetchall())
        except psycopg.errors.UndefinedTable:
            return []
        return list(map(StoredRow._make, rows))

    def _run(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Let one statement run, and once more if its connection was cut: each may be repeated without harm."""
        try:
            pool = self._pool()
            try:
                with pool.connection() as connection:
                    return work(connection)
            except PoolTimeout:
                self._probe()
                raise
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
            pool.check()
            with pool.connection() as connection:
                return work(connection)
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
                    # A statement is a transaction: one way to the server and back.
                    kwargs={"connect_timeout": _SECONDS, "prepare_threshold": 1, "autocommit": True},
                    open=True,
                )
                self._pools[os.getpid()] = pool
            return pool


def _array(values: Sequence[bytes]) -> str:
    """An array of bytes as PostgreSQL writes one; psycopg takes ten times as long to do so."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
