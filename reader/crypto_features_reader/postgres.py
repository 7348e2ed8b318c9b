"""Reading guarded rows in PostgreSQL: one table a view, read by one statement."""

import atexit
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from crypto_features_reader.address import no_address
from crypto_features_reader.backend import StoredRow
from crypto_features_reader.deadline import (
    PATIENCE,
    ImpatientConnection,
    SilentServerError,
    is_no_closed_connection,
)
from crypto_features_reader.errors import CryptoFeaturesError, StoreMisusedError, StoreUnreachableError
from crypto_features_reader.memory import Memory
from crypto_features_reader.seal import unsealed
from crypto_features_reader.steps import Steps, driven

if TYPE_CHECKING:
    from crypto_features_reader.postgres_async import PostgresNews

_SECONDS = 5
_LEAST_SECONDS = 2  # to connect within, of libpq.
_MOST_BYTES = 63  # of a name in PostgreSQL.

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


class PostgresReader:
    """A pool of connections a process; it reconnects by itself once the server is back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = place_of(url)
        self._pools: dict[int, ConnectionPool[Any]] = {}
        self._lock = threading.Lock()
        self._memory = Memory()
        atexit.register(self.close)

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        return driven(self._fetched, selected(self.name, self._memory, wanted))

    def scan(self, table: str) -> list[StoredRow]:
        table = held(table)
        everything = sql.SQL("SELECT key, event, created, payload FROM {table}")
        statement = everything.format(table=sql.Identifier(table))
        return [unsealed(self.name, table, row) for row in self._fetched(statement)]

    def has(self, table: str) -> bool:
        name = held(table)
        ((count,),) = self._fetched(*noted(name)) or [(0,)]
        return bool(count or self._fetched(some(name)))

    def switches(self) -> Mapping[str, str]:
        return dict(self._fetched(SWITCHES))

    async def news(self) -> "PostgresNews":
        from crypto_features_reader.postgres_async import listening

        return await listening(self._url)

    def close(self) -> None:
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

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
            raise typed(self.name, error) from None

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


def place_of(url: str) -> str:
    """Where a database is, without a password.

    Raises:
        SettingsError: if the address is none.
    """
    try:
        where = conninfo_to_dict(url)
    except psycopg.Error:
        raise no_address("PostgreSQL") from None
    return f"postgresql://{where.get('host', 'local')}:{where.get('port', 5432)}/{where.get('dbname', '')}"


SWITCHES: LiteralString = "SELECT name, why FROM __switches"


def noted(name: str) -> tuple[LiteralString, list[str]]:
    """The question whether a table was ever changed."""
    return "SELECT count(*) FROM __versions WHERE name = %s", [name]


def some(name: str) -> sql.Composed:
    """The question whether a table has a row."""
    return sql.SQL("SELECT 1 FROM {table} LIMIT 1").format(table=sql.Identifier(name))


def selected(
    place: str, memory: Memory, wanted: Mapping[str, Sequence[bytes]]
) -> Steps[dict[str, dict[bytes, StoredRow]]]:
    """The rows of some keys by table, as steps of a statement with its values each."""
    places = {table: held(table) for table in wanted}
    versions = dict((yield _VERSIONS + "WHERE noted.name = ANY(%s)", [[*places.values()]]))
    found = {}
    for name, keys in wanted.items():
        table = places[name]
        rows = memory.recall(table, versions.get(table), keys)
        if rows is None:
            statement = sql.SQL(_SELECT).format(
                versions=sql.SQL(_VERSIONS), table=sql.Identifier(table), name=sql.Literal(table)
            )
            stored = yield statement, [array(keys)]
            rows = {row[1]: unsealed(place, table, row[1:]) for row in stored if row[1] is not None}
            if stored:
                memory.note(table, stored[0][0], keys, rows)
        found[name] = rows
    return found


def typed(place: str, error: psycopg.Error) -> CryptoFeaturesError:
    """A driver's error as one of ours."""
    refused = isinstance(error, _REFUSALS) or _REFUSED.search(str(error))
    if not refused and isinstance(error, _AWAY):
        return StoreUnreachableError(f"the online store {place} does not answer: {type(error).__name__}")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rpartition("FATAL:")[2].strip()
    return StoreMisusedError(f"the online store {place} refuses: {reason}")


def _let(work: Callable[[psycopg.Connection[Any]], T], connection: ImpatientConnection, patience: float) -> T:
    connection.patience = patience
    try:
        return work(connection)
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.close()  # the address may lead to another server by now.
        raise


@lru_cache(maxsize=256)
def held(table: str) -> str:
    """The name of a table in the database, which would cut a longer one: the version of a view stands at its end."""
    name = table.encode()
    if len(name) <= _MOST_BYTES:
        return table
    digest = blake2b(name, digest_size=8).hexdigest()
    return f"{name[: _MOST_BYTES - len(digest) - 1].decode(errors='ignore')}_{digest}"


def array(values: Sequence[bytes]) -> str:
    """An array of bytes as PostgreSQL writes one; psycopg takes ten times as long to do so."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"
