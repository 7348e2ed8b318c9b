"""Reading guarded rows in PostgreSQL within an event loop, and hearing of each publish."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from crypto_features_reader.backend import StoredRow
from crypto_features_reader.deadline import PATIENCE
from crypto_features_reader.errors import StoreUnreachableError
from crypto_features_reader.memory import Memory
from crypto_features_reader.postgres import SWITCHES, held, noted, place_of, selected, some, typed
from crypto_features_reader.steps import awaited

_SECONDS = 5


class PostgresNews:
    """News by LISTEN, on a connection of its own: a publish notifies when it commits."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def wait(self, seconds: float) -> None:
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            pass

    async def close(self) -> None:
        await self._connection.close()


async def listening(url: str) -> PostgresNews:
    """News of the database at an address, from now on."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=_SECONDS)
    await connection.execute("LISTEN crypto_features_published")
    return PostgresNews(connection)


class AsyncPostgresReader:
    """As `PostgresReader`, of the event loop that uses it first."""

    def __init__(self, url: str) -> None:
        self._url, self.name = url, place_of(url)
        self._pool: AsyncConnectionPool[Any] | None = None
        self._memory = Memory()

    async def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        """By table the rows of those keys that exist, of each table as of one moment; none of one never written."""
        return await awaited(self._fetched, selected(self.name, self._memory, wanted))

    async def has(self, table: str) -> bool:
        """Whether anything was ever published to a table."""
        name = held(table)
        ((count,),) = await self._fetched(*noted(name)) or [(0,)]
        return bool(count or await self._fetched(some(name)))

    async def switches(self) -> Mapping[str, str]:
        """What is switched off and why."""
        return dict(await self._fetched(SWITCHES))

    async def news(self) -> PostgresNews:
        """Listen to what is published from now on."""
        return await listening(self._url)

    async def close(self) -> None:
        """Give connections back."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _fetched(self, statement: Any, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; nothing in a table never written. A connection that was cut is tried once more."""
        try:
            async with asyncio.timeout(PATIENCE):
                try:
                    return await self._once(statement, values)
                except psycopg.OperationalError:
                    await (await self._opened()).check()
                    return await self._once(statement, values)
        except psycopg.errors.UndefinedTable:
            return []
        except psycopg.Error as error:
            raise typed(self.name, error) from None
        except TimeoutError:
            await self.close()
            raise StoreUnreachableError(
                f"the online store {self.name} does not answer: silent for {PATIENCE:g} seconds"
            ) from None

    async def _once(self, statement: Any, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        pool = await self._opened()
        async with pool.connection() as connection:
            found: list[tuple[Any, ...]] = await (await connection.execute(statement, values, binary=True)).fetchall()
            return found

    async def _opened(self) -> AsyncConnectionPool[Any]:
        if self._pool is None:
            # Once, for the reason that the pool does not say.
            await (await psycopg.AsyncConnection.connect(self._url, connect_timeout=_SECONDS)).close()
            self._pool = AsyncConnectionPool(
                self._url,
                min_size=1,
                max_size=4,
                timeout=_SECONDS,
                kwargs={"connect_timeout": _SECONDS, "prepare_threshold": 1, "autocommit": True},
                open=False,
            )
            await self._pool.open()
        return self._pool
