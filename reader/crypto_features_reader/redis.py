"""Guarded rows in Valkey or Redis: one hash a view, published and read by one command each."""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

import redis
import redis.asyncio

from crypto_features.store.errors import DamagedRowError, FencedError, StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.address import no_address
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features.store.online.memory import Memory
from crypto_features.store.online.seal import damaged, sealed, unsealed

_STAMPS = struct.Struct(">qq")
_VERSION = b""
"""The field of a hash, beside those of its rows, that every publish gives another value."""
_LAYOUT = "crypto_features:1"
"""Stands before the name of each hash of rows; another layout of rows has another number."""
_SWITCHES = "crypto_features:switches"
_WRITERS = "crypto_features:writers"
_NEWS = "crypto_features:published"
"""The channel that tells the name of a hash whose rows changed."""
_SECONDS = 5

# A script runs alone on the server, so nobody sees half a publish, and its arguments have all arrived before it starts.
# Stamps are microseconds and stay below 2^53, where Lua's numbers are exact. Who may not use the channel publishes all
# the same: watchers look from time to time.
_PUBLISH = """
if ARGV[2] ~= '' and redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then return 0 end
for i = 4, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local newer = true
  if stored then
    local event, created = struct.unpack('>i8i8', ARGV[i + 1])
    local old_event, old_created = struct.unpack('>i8i8', stored)
    newer = event > old_event or (event == old_event and created >= old_created)
  end
  if newer then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('HSET', KEYS[1], '', ARGV[1])
redis.pcall('PUBLISH', KEYS[3], KEYS[1])
return 1
"""

_WITHDRAW = """
local withdrawn = 0
for _, key in ipairs(redis.call('HKEYS', KEYS[1])) do
  if key ~= '' then
    local stored = redis.call('HGET', KEYS[1], key)
    if #stored >= 16 and struct.unpack('>i8', stored) > tonumber(ARGV[2]) then
      redis.call('HDEL', KEYS[1], key)
      withdrawn = withdrawn + 1
    end
  end
end
if withdrawn > 0 then
  redis.call('HSET', KEYS[1], '', ARGV[1])
  redis.pcall('PUBLISH', KEYS[2], KEYS[1])
end
return withdrawn
"""

# A replica before or after a failover, a full or loading server, a running script: another try may find it well. The
# client has types for some of these, and for the others the server's word only.
_PASSING = (
    redis.BusyLoadingError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
)
_PASSING_CODE = re.compile(r"\b(READONLY|MASTERDOWN|OOM|LOADING|BUSY|MISCONF|TRYAGAIN|CLUSTERDOWN|NOREPLICAS)\b")


class RedisNews:
    """News by a subscription, which the client makes again after a lost connection."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.asyncio.Redis.from_url(url, socket_connect_timeout=_SECONDS)
        self._subscribed: Any = self._client.pubsub(ignore_subscribe_messages=True)

    async def begin(self) -> None:
        await self._subscribed.subscribe(_NEWS)

    async def wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            if await self._subscribed.get_message(timeout=left) is not None:
                return

    async def close(self) -> None:
        await self._subscribed.aclose()
        await self._client.aclose()


class RedisBackend:
    """Rows in hashes `crypto_features:1:<table>` → entity key → stamps and payload. The client pools connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._client: Any = redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
        except (ValueError, TypeError):
            raise no_address("Valkey or Redis") from None
        where = self._client.connection_pool.connection_kwargs
        self.name = f"redis://{where.get('host', where.get('path', ''))}:{where.get('port', '')}/{where.get('db', 0)}"
        self._publish = self._client.register_script(_PUBLISH)
        self._withdraw = self._client.register_script(_WITHDRAW)
        self._memory = Memory()

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        with self._errors():
            arguments: list[bytes] = [uuid4().bytes, b"", b""]
            if fence is not None:
                arguments[1:] = fence.name.encode(), b"%d" % fence.generation
            for key, event, created, payload in (sealed(table, row) for row in rows):
                arguments += (key, _STAMPS.pack(event, created) + payload)
            if not self._publish(keys=[_held(table), _WRITERS, _NEWS], args=arguments):
                raise FencedError(arguments[1].decode())

    def claim(self, name: str) -> Fence:
        with self._errors():
            return Fence(name, self._client.hincrby(_WRITERS, name, 1))

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        with self._errors():
            with self._client.pipeline(transaction=False) as pipeline:
                for table in wanted:
                    pipeline.hget(_held(table), _VERSION)
                versions = pipeline.execute()
            found = {}
            for (table, keys), version in zip(wanted.items(), versions, strict=True):
                known = self._memory.recall(table, version, keys)
                found[table] = self._select(table, keys) if known is None else known
            return found

    def _select(self, table: str, keys: Sequence[bytes]) -> dict[bytes, StoredRow]:
        # One command, so that rows and version are of one moment.
        version, *stored = self._client.hmget(_held(table), [_VERSION, *keys])
        rows = {key: self._row(table, key, value) for key, value in zip(keys, stored, strict=True) if value is not None}
        self._memory.note(table, version, keys, rows)
        return rows

    def scan(self, table: str) -> list[StoredRow]:
        with self._errors():
            stored = self._client.hgetall(_held(table))
            return [self._row(table, key, value) for key, value in stored.items() if key != _VERSION]

    def _row(self, table: str, key: bytes, value: bytes) -> StoredRow:
        if len(value) < _STAMPS.size:
            raise damaged(self.name, table, key)
        event, created = _STAMPS.unpack_from(value)
        return unsealed(self.name, table, (key, event, created, value[_STAMPS.size :]))

    def has(self, table: str) -> bool:
        with self._errors():
            return bool(self._client.exists(_held(table)))

    def withdraw(self, table: str, after: int) -> int:
        with self._errors():
            return int(self._withdraw(keys=[_held(table), _NEWS], args=[uuid4().bytes, after]))

    def create(self, table: str) -> None:
        """Nothing to do: a hash exists from its first row on."""

    def drop(self, table: str) -> None:
        with self._errors():
            self._client.delete(_held(table))

    def switches(self) -> Mapping[str, str]:
        with self._errors():
            return {name.decode(): why.decode() for name, why in self._client.hgetall(_SWITCHES).items()}

    def switch_off(self, name: str, why: str) -> None:
        with self._errors():
            self._client.hset(_SWITCHES, name, why)

    def switch_on(self, name: str) -> None:
        with self._errors():
            self._client.hdel(_SWITCHES, name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (DamagedRowError, FencedError):
            raise
        except redis.AuthenticationError:
            raise StoreMisusedError(
                f"the online store {self.name} refuses the user or password of its address; correct them."
            ) from None
        except (redis.RedisError, OSError) as error:
            if isinstance(error, _PASSING) or _PASSING_CODE.search(str(error)):
                raise StoreUnreachableError(f"the online store {self.name} cannot serve now: {error}") from None
            if isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError):
                message = f"the online store {self.name} does not answer: {type(error).__name__}"
                raise StoreUnreachableError(message) from None
            raise StoreMisusedError(f"the online store {self.name} refuses: {error}") from None

    async def news(self) -> RedisNews:
        found = RedisNews(self._url)
        await found.begin()
        return found

    def close(self) -> None:
        self._client.close()


def _held(table: str) -> str:
    return f"{_LAYOUT}:{table}"
