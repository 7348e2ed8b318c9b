"""Guarded rows in PostgreSQL: one table a view, published and read by one statement each."""

import atexit
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from crypto_features.errors import CryptoFeaturesError
from crypto_features.store.errors import FencedError, StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.address import no_address
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features.store.online.deadline import (
    PATIENCE,
    ImpatientConnection,
    SilentServerError,
    is_no_closed_connection,
)
from crypto_features.store.online.memory import Memory
from crypto_features.store.online.seal import sealed, unsealed

_SECONDS = 5
_LEAST_SECONDS = 2  # to connect within, of libpq.
_WRITE_SECONDS = 60
"""How long a server may be silent over a publish, or over a table that another process is making."""
_MOST_BYTES = 63  # of a name in PostgreSQL.

# Whatever changes a table, by whatever client, gives it another version.
_COMMON = """
CREATE TABLE IF NOT EXISTS __switches (name text PRIMARY KEY, why text NOT NULL);
CREATE TABLE IF NOT EXISTS __versions (name text PRIMARY KEY, version uuid NOT NULL);
CREATE TABLE IF NOT EXISTS __writers (name text PRIMARY KEY, generation bigint NOT NULL);
CREATE OR REPLACE FUNCTION __note_version() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO __versions VALUES (TG_TABLE_NAME, gen_random_uuid())
    ON CONFLICT (name) DO UPDATE SET version = excluded.version;
    PERFORM pg_notify('crypto_features_published', TG_TABLE_NAME);
    RETURN NULL;
END $$
"""
_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    key bytea PRIMARY KEY, event bigint NOT NULL, created bigint NOT NULL, payload bytea NOT NULL
);
CREATE OR REPLACE TRIGGER note_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION __note_version();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER note_version
"""

# The trigger is part of the version: a table that was dropped, restored from a dump or changed while its trigger was
# off has another one, and a table without it has no version, so that nothing of it is kept. It must hold always: one of
# the ordinary kind does not see what a replication worker writes.
_VERSIONS = """
SELECT noted.name, noted.version || '/' || t.oid || '/' || t.xmin
FROM __versions AS noted JOIN pg_trigger AS t
ON t.tgrelid = to_regclass(quote_ident(noted.name)) AND t.tgname = 'note_version' AND t.tgenabled = 'A'
"""

# One statement, so that rows and version are of one moment; at least one row, for the version.
_SELECT = """
SELECT known.version, found.*
FROM (SELECT (SELECT version FROM ({versions} WHERE noted.name = {name}) AS one (name, version)) AS version) AS known
LEFT JOIN (SELECT key, event, created, payload FROM {table} WHERE key = ANY(%s::text::bytea[])) AS found ON true
"""

_PUBLISH = """
INSERT INTO {table} (key, event, created, payload)
SELECT * FROM unnest(%s::text::bytea[], %s::bigint[], %s::bigint[], %s::text::bytea[])
ON CONFLICT (key) DO UPDATE SET event = excluded.event, created = excluded.created, payload = excluded.payload
WHERE (excluded.event, excluded.created) >= ({table}.event, {table}.created)
"""


_REFUSALS = (
    psycopg.errors.InvalidAuthorizationSpecification,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
)
# A server that only reads is a standby: one that is not promoted yet, or the old address after a failover.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
# libpq gives no code to a connection that was refused, only the server's words.
_REFUSED = re.compile(
    r"(role|database) \".*\" (does not exist|is not permitted to log in)|authentication failed|no password supplied"
    r"|no pg_hba.conf entry|permission denied for database"
)


T = TypeVar("T")


class PostgresNews:
    """News by LISTEN, on a connection of its own: a publish notifies when it commits."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def wait(self, seconds: float) -> None:
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass

    async def close(self) -> None:
        await self._connection.close()


class PostgresBackend:
    """A pool of connections a process; it reconnects by itself once the server is back."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            where = conninfo_to_dict(url)
        except psycopg.Error:
            raise no_address("PostgreSQL") from None
        self.name = f"postgresql://{where.get('host', 'local')}:{where.get('port', 5432)}/{where.get('dbname', '')}"
        self._pools: dict[int, ConnectionPool[Any]] = {}
        self._lock = threading.Lock()
        self._memory = Memory()
        atexit.register(self.close)

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        # Sorted, so that two publishers lock the rows in one order and never wait for each other in a circle.
        name = _held(table)
        stored = [sealed(name, row) for row in sorted(rows)]
        keys, events, creations, payloads = zip(*stored, strict=True) if stored else ((), (), (), ())
        values = [_array(keys), list(events), list(creations), _array(payloads)]
        statement = sql.SQL(_PUBLISH).format(table=sql.Identifier(name))

        def publish(connection: psycopg.Connection[Any]) -> None:
            if fence is None:
                connection.execute(statement, values)
                return
            with connection.transaction():  # a later writer cannot begin before it ends.
                held = "SELECT 1 FROM __writers WHERE name = %s AND generation = %s FOR SHARE"
                if connection.execute(held, fence).fetchone() is None:
                    raise FencedError(fence.name)
                connection.execute(statement, values)

        try:
            self._run(publish, _WRITE_SECONDS)
        except psycopg.errors.UndefinedTable:
            self.create(table)
            self._run(publish, _WRITE_SECONDS)

    def claim(self, name: str) -> Fence:
        self._define()
        statement = (
            "INSERT INTO __writers AS held VALUES (%s, 1) "
            "ON CONFLICT (name) DO UPDATE SET generation = held.generation + 1 RETURNING generation"
        )
        found = self._run(lambda connection: connection.execute(statement, [name]).fetchall(), _WRITE_SECONDS)
        return Fence(name, found[0][0])

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        held = {table: _held(table) for table in wanted}
        versions = dict(self._fetched(_VERSIONS + "WHERE noted.name = ANY(%s)", [[*held.values()]]))
        found = {}
        for name, keys in wanted.items():
            table = held[name]
            known = self._memory.recall(table, versions.get(table), keys)
            found[name] = self._select(table, keys) if known is None else known
        return found

    def _select(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        statement = sql.SQL(_SELECT).format(
            versions=sql.SQL(_VERSIONS), table=sql.Identifier(table), name=sql.Literal(table)
        )
        found = self._fetched(statement, [_array(keys)])
        rows = {row[1]: unsealed(self.name, table, row[1:]) for row in found if row[1] is not None}
        if found:
            self._memory.note(table, found[0][0], keys, rows)
        return rows

    def scan(self, table: str) -> list[StoredRow]:
        table = _held(table)
        everything = sql.SQL("SELECT key, event, created, payload FROM {table}")
        statement = everything.format(table=sql.Identifier(table))
        return [unsealed(self.name, table, row) for row in self._fetched(statement)]

    def has(self, table: str) -> bool:
        name = _held(table)
        (noted,) = self._fetched("SELECT count(*) FROM __versions WHERE name = %s", [name]) or [(0,)]
        some = sql.SQL("SELECT 1 FROM {table} LIMIT 1").format(table=sql.Identifier(name))
        return bool(noted[0] or self._fetched(some))

    def withdraw(self, table: str, after: int) -> int:
        statement = sql.SQL("DELETE FROM {table} WHERE event > %s").format(table=sql.Identifier(_held(table)))
        try:
            return self._run(lambda connection: connection.execute(statement, [after]).rowcount, _WRITE_SECONDS)
        except psycopg.errors.UndefinedTable:
            return 0

    def create(self, table: str) -> None:
        self._define(sql.SQL(_TABLE).format(table=sql.Identifier(_held(table))))

    def drop(self, table: str) -> None:
        table = _held(table)
        forget = sql.SQL("DROP TABLE IF EXISTS {table}; DELETE FROM __versions WHERE name = {name}")
        self._define(forget.format(table=sql.Identifier(table), name=sql.Literal(table)))

    def switches(self) -> Mapping[str, str]:
        return dict(self._fetched("SELECT name, why FROM __switches"))

    def switch_off(self, name: str, why: str) -> None:
        statement = "INSERT INTO __switches VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET why = excluded.why"
        try:
            self._run(lambda connection: connection.execute(statement, [name, why]))
        except psycopg.errors.UndefinedTable:
            self._define()
            self._run(lambda connection: connection.execute(statement, [name, why]))

    def switch_on(self, name: str) -> None:
        with suppress(psycopg.errors.UndefinedTable):
            self._run(lambda connection: connection.execute("DELETE FROM __switches WHERE name = %s", [name]))

    async def news(self) -> PostgresNews:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=_SECONDS)
        await connection.execute("LISTEN crypto_features_published")
        return PostgresNews(connection)

    def close(self) -> None:
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _define(self, *statements: sql.Composable) -> None:
        def define(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                # Two processes that create one thing at the same moment collide in the catalog without this.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('crypto_features'))")
                connection.execute(sql.SQL("; ").join([sql.SQL(_COMMON), *statements]))

        self._run(define, _WRITE_SECONDS)

    def _fetched(self, statement: LiteralString | sql.Composed, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; nothing in a table never written."""
        try:
            return self._run(lambda connection: connection.execute(statement, values, binary=True).fetchall())
        except psycopg.errors.UndefinedTable:
            return []

    def _run(self, work: Callable[[psycopg.Connection[Any]], T], patience: float = PATIENCE) -> T:
        """Let one statement run, and once more if its connection was cut: each may be repeated without harm."""
        try:
            pool = self._pool()
            try:
                with pool.connection() as connection:
                    return _let(work, connection, patience)
            except PoolTimeout:
                self._probe(_LEAST_SECONDS)
                raise
            except SilentServerError:
                raise
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
            pool.check()
            with pool.connection() as connection:
                return _let(work, connection, patience)
        except psycopg.errors.UndefinedTable:
            raise
        except psycopg.Error as error:
            raise self._typed(error) from None

    def _typed(self, error: psycopg.Error) -> CryptoFeaturesError:
        refused = isinstance(error, _REFUSALS) or _REFUSED.search(str(error))
        if not refused and isinstance(error, _AWAY):
            return StoreUnreachableError(f"the online store {self.name} does not answer: {type(error).__name__}")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rpartition("FATAL:")[2].strip()
        return StoreMisusedError(f"the online store {self.name} refuses: {reason}")

    def _probe(self, seconds: int) -> None:
        """Connect once, for the reason that the pool does not tell."""
        psycopg.connect(self._url, connect_timeout=seconds).close()

    def _pool(self) -> ConnectionPool[Any]:
        # A connection must not cross a fork.
        pool = self._pools.get(os.getpid())
        if pool is not None:
            return pool
        # Not under the lock: each thread waits for a server that is away by itself, and not for the others as well.
        self._probe(_SECONDS)
        with self._lock:
            pool = self._pools.get(os.getpid())
            if pool is None:
                logging.getLogger("psycopg.pool").addFilter(is_no_closed_connection)
                pool = self._pools[os.getpid()] = ConnectionPool(
                    self._url,
                    connection_class=ImpatientConnection,
                    min_size=1,
                    max_size=16,
                    timeout=_SECONDS,
                    # A statement is a transaction: one way to the server and back.
                    kwargs={"connect_timeout": _SECONDS, "prepare_threshold": 1, "autocommit": True},
                    open=True,
                )
            return pool


def _let(work: Callable[[psycopg.Connection[Any]], T], connection: ImpatientConnection, patience: float) -> T:
    connection.patience = patience
    try:
        return work(connection)
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()  # the address may lead to another server by now.
        raise


@lru_cache(maxsize=256)
def _held(table: str) -> str:
    """The name of a table in the database, which would cut a longer one: the version of a view stands at its end."""
    name = table.encode()
    if len(name) <= _MOST_BYTES:
        return table
    digest = blake2b(name, digest_size=8).hexdigest()
    return f"{name[: _MOST_BYTES - len(digest) - 1].decode(errors='ignore')}_{digest}"


def _array(values: Sequence[bytes]) -> str:
    """An array of bytes as PostgreSQL writes one; psycopg takes ten times as long to do so."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
