"""Reading guarded rows in Valkey or Redis: one hash a view, read by one command."""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import redis

from crypto_features_reader.address import no_address
from crypto_features_reader.backend import StoredRow
from crypto_features_reader.errors import DamagedRowError, StoreMisusedError, StoreUnreachableError
from crypto_features_reader.memory import Memory
from crypto_features_reader.seal import damaged, unsealed
from crypto_features_reader.steps import Steps, driven

if TYPE_CHECKING:
    from crypto_features_reader.redis_async import RedisNews

STAMPS = struct.Struct(">qq")
_VERSION = b""
"""The field of a hash, beside those of its rows, that every publish gives another value."""
_LAYOUT = "crypto_features:1"
"""Stands before the name of each hash of rows; another layout of rows has another number."""
SWITCHES = "crypto_features:switches"
NEWS = "crypto_features:published"
"""The channel that tells the name of a hash whose rows changed."""
SECONDS = 5

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


class RedisReader:
    """Rows in hashes `crypto_features:1:<table>` → entity key → stamps and payload. The client pools connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._client: Any = redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        except (ValueError, TypeError):
            raise no_address("Valkey or Redis") from None
        where = self._client.connection_pool.connection_kwargs
        self.name = f"redis://{where.get('host', where.get('path', ''))}:{where.get('port', '')}/{where.get('db', 0)}"
        self._memory = Memory()

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        with self._errors():
            return driven(self._commands, selected(self.name, self._memory, wanted))

    def _commands(self, *commands: Sequence[Any]) -> list[Any]:
        """The answers of some commands, in one way there and back."""
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            found: list[Any] = pipeline.execute()
            return found

    def scan(self, table: str) -> list[StoredRow]:
        with self._errors():
            stored = self._client.hgetall(held(table))
            return [_row(self.name, table, key, value) for key, value in stored.items() if key != _VERSION]

    def has(self, table: str) -> bool:
        with self._errors():
            return bool(self._client.exists(held(table)))

    def switches(self) -> Mapping[str, str]:
        with self._errors():
            return switched(self._client.hgetall(SWITCHES))

    def _errors(self) -> AbstractContextManager[None]:
        return typed_errors(self.name)

    async def news(self) -> "RedisNews":
        from crypto_features_reader.redis_async import RedisNews

        found = RedisNews(self._url)
        await found.begin()
        return found

    def close(self) -> None:
        self._client.close()


def selected(
    place: str, memory: Memory, wanted: Mapping[str, Sequence[bytes]]
) -> Steps[dict[str, dict[bytes, StoredRow]]]:
    """The rows of some keys by table, as steps of some commands each."""
    versions = yield tuple(("HGET", held(table), _VERSION) for table in wanted)
    found = {}
    for (table, keys), version in zip(wanted.items(), versions, strict=True):
        rows = memory.recall(table, version, keys)
        if rows is None:
            # One command, so that rows and version are of one moment.
            ((read_at, *stored),) = yield (("HMGET", held(table), _VERSION, *keys),)
            pairs = zip(keys, stored, strict=True)
            rows = {key: _row(place, table, key, value) for key, value in pairs if value is not None}
            memory.note(table, read_at, keys, rows)
        found[table] = rows
    return found


def _row(place: str, table: str, key: bytes, value: bytes) -> StoredRow:
    if len(value) < STAMPS.size:
        raise damaged(place, table, key)
    event, created = STAMPS.unpack_from(value)
    return unsealed(place, table, (key, event, created, value[STAMPS.size :]))


def switched(stored: Mapping[bytes, bytes]) -> dict[str, str]:
    """The switches as they are stored."""
    return {name.decode(): why.decode() for name, why in stored.items()}


@contextmanager
def typed_errors(place: str) -> Iterator[None]:
    """While this is open, an error of the client is a `StoreUnreachableError` or a `StoreMisusedError`."""
    try:
        yield
    except DamagedRowError:
        raise
    except redis.AuthenticationError:
        raise StoreMisusedError(
            f"the online store {place} refuses the user or password of its address; correct them."
        ) from None
    except (redis.RedisError, OSError) as error:
        if isinstance(error, _PASSING) or _PASSING_CODE.search(str(error)):
            raise StoreUnreachableError(f"the online store {place} cannot serve now: {error}") from None
        if isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError):
            message = f"the online store {place} does not answer: {type(error).__name__}"
            raise StoreUnreachableError(message) from None
        raise StoreMisusedError(f"the online store {place} refuses: {error}") from None


def held(table: str) -> str:
    return f"{_LAYOUT}:{table}"
