"""Guarded rows in Valkey or Redis: one hash a view, published by one command."""

from collections.abc import Sequence
from uuid import uuid4

from crypto_features.store.errors import FencedError
from crypto_features.store.online.backend import Fence, StoredRow
from crypto_features_reader.redis import NEWS, STAMPS, SWITCHES, RedisReader, held
from crypto_features_reader.seal import sealed

_WRITERS = "crypto_features:writers"

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


class RedisBackend(RedisReader):
    """Rows in hashes `crypto_features:1:<table>` → entity key → stamps and payload."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._publish = self._client.register_script(_PUBLISH)
        self._withdraw = self._client.register_script(_WITHDRAW)

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        with self._errors():
            arguments: list[bytes] = [uuid4().bytes, b"", b""]
            if fence is not None:
                arguments[1:] = fence.name.encode(), b"%d" % fence.generation
            for key, event, created, payload in (sealed(table, row) for row in rows):
                arguments += (key, STAMPS.pack(event, created) + payload)
            if not self._publish(keys=[held(table), _WRITERS, NEWS], args=arguments):
                raise FencedError(arguments[1].decode())

    def claim(self, name: str) -> Fence:
        with self._errors():
            return Fence(name, self._client.hincrby(_WRITERS, name, 1))

    def withdraw(self, table: str, after: int) -> int:
        with self._errors():
            return int(self._withdraw(keys=[held(table), NEWS], args=[uuid4().bytes, after]))

    def create(self, table: str) -> None:
        """Nothing to do: a hash exists from its first row on."""

    def drop(self, table: str) -> None:
        with self._errors():
            self._client.delete(held(table))

    def switch_off(self, name: str, why: str) -> None:
        with self._errors():
            self._client.hset(SWITCHES, name, why)

    def switch_on(self, name: str) -> None:
        with self._errors():
            self._client.hdel(SWITCHES, name)
