"""Guarded rows in PostgreSQL: one table a view, published by one statement."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from crypto_features.store.errors import FencedError
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features_reader.postgres import PostgresReader, array, held
from crypto_features_reader.seal import sealed

_WRITE_SECONDS = 60
"""How long a server may be silent over a publish, or over a table that another process is making."""

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

_PUBLISH = """
INSERT INTO {table} (key, event, created, payload)
SELECT * FROM unnest(%s::text::bytea[], %s::bigint[], %s::bigint[], %s::text::bytea[])
ON CONFLICT (key) DO UPDATE SET event = excluded.event, created = excluded.created, payload = excluded.payload
WHERE (excluded.event, excluded.created) >= ({table}.event, {table}.created)
"""


class PostgresBackend(PostgresReader):
    """Tables with a trigger that gives them another version with each change."""

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        # Sorted, so that two publishers lock the rows in one order and never wait for each other in a circle.
        name = held(table)
        stored = [sealed(name, row) for row in sorted(rows)]
        keys, events, creations, payloads = zip(*stored, strict=True) if stored else ((), (), (), ())
        values = [array(keys), list(events), list(creations), array(payloads)]
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

    def withdraw(self, table: str, after: int) -> int:
        statement = sql.SQL("DELETE FROM {table} WHERE event > %s").format(table=sql.Identifier(held(table)))
        try:
            return self._run(lambda connection: connection.execute(statement, [after]).rowcount, _WRITE_SECONDS)
        except psycopg.errors.UndefinedTable:
            return 0

    def create(self, table: str) -> None:
        self._define(sql.SQL(_TABLE).format(table=sql.Identifier(held(table))))

    def drop(self, table: str) -> None:
        table = held(table)
        forget = sql.SQL("DROP TABLE IF EXISTS {table}; DELETE FROM __versions WHERE name = {name}")
        self._define(forget.format(table=sql.Identifier(table), name=sql.Literal(table)))

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

    def _define(self, *statements: sql.Composable) -> None:
        def define(connection: psycopg.Connection[Any]) -> None:
            with connection.transaction():
                # Two processes that create one thing at the same moment collide in the catalog without this.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('crypto_features'))")
                connection.execute(sql.SQL("; ").join([sql.SQL(_COMMON), *statements]))

        self._run(define, _WRITE_SECONDS)
