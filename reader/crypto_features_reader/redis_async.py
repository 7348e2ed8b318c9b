"""Reading guarded rows in Valkey or Redis within an event loop, and hearing of each publish."""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

import redis.asyncio

from crypto_features_reader.backend import StoredRow
from crypto_features_reader.memory import Memory
from crypto_features_reader.redis import NEWS, SECONDS, SWITCHES, RedisReader, held, selected, switched, typed_errors
from crypto_features_reader.steps import awaited


class RedisNews:
    """News by a subscription, which the client makes again after a lost connection."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.asyncio.Redis.from_url(url, socket_connect_timeout=SECONDS)
        self._subscribed: Any = self._client.pubsub(ignore_subscribe_messages=True)

    async def begin(self) -> None:
        await self._subscribed.subscribe(NEWS)

    async def wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            if await self._subscribed.get_message(timeout=left) is not None:
                return

    async def close(self) -> None:
        await self._subscribed.aclose()
        await self._client.aclose()


class AsyncRedisReader:
    """As `RedisReader`, of the event loop that uses it first."""

    def __init__(self, url: str) -> None:
        self._url, self.name = url, RedisReader(url).name
        self._client: Any = redis.asyncio.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        self._memory = Memory()

    async def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        """By table the rows of those keys that exist, of each table as of one moment; none of one never written."""
        with typed_errors(self.name):
            return await awaited(self._commands, selected(self.name, self._memory, wanted))

    async def _commands(self, *commands: Sequence[Any]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            found: list[Any] = await pipeline.execute()
            return found

    async def has(self, table: str) -> bool:
        """Whether anything was ever published to a table."""
        with typed_errors(self.name):
            return bool(await self._client.exists(held(table)))

    async def switches(self) -> Mapping[str, str]:
        """What is switched off and why."""
        with typed_errors(self.name):
            return switched(await self._client.hgetall(SWITCHES))

    async def news(self) -> RedisNews:
        """Listen to what is published from now on."""
        found = RedisNews(self._url)
        await found.begin()
        return found

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()
