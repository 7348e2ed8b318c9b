"""Server-sent events: the newest features at once and when they change, for many and for slow clients."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from crypto_features.errors import InputError
from crypto_features.lake.live_rows import PARTIAL
from crypto_features.live.publish import OnlinePublisher
from crypto_features.store import FeastResource, StoreUnreachableError, server, server_guard, streams
from crypto_features_reader.backend import News

from .conftest import NOW
from .test_watch import HOUR, newer

PATH = "/features/trading_features/stream"


class Client:
    """One client of an application, without a network between them."""

    def __init__(self) -> None:
        self.sent, self.gone = asyncio.Queue[dict[str, Any]](), asyncio.Event()
        self._text = ""

    async def event(self) -> tuple[str, Any]:
        """The next event and its data."""
        while "\n\n" not in self._text:
            self._text += (await asyncio.wait_for(self.sent.get(), 20))["body"].decode()
        block, self._text = self._text.split("\n\n", 1)
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        return (fields["event"], json.loads(fields["data"])) if "event" in fields else await self.event()


@asynccontextmanager
async def asking(app: Any, query: str) -> AsyncGenerator[Client, None]:
    """A client whose request is being answered; it leaves at the end."""
    client, asked = Client(), [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await client.gone.wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": query.encode(), "headers": []}
    answering = asyncio.ensure_future(app({**scope, "http_version": "1.1"}, receive, client.sent.put))
    try:
        yield client
    finally:
        client.gone.set()
        await asyncio.wait_for(answering, 20)


def test_the_newest_features_come_at_once_and_again_when_one_changes(
    published: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"feature_service": "trading_features", "entities": {"symbol": ["BTC", "NEW"]}}
    with TestClient(server.app()) as client:
        expected = client.post("/get-online-features", json=asked).json()

    async def follow() -> tuple[dict[str, Any], tuple[str, Any], tuple[str, Any]]:
        app = server.app()
        async with app.router.lifespan_context(app), asking(app, "symbols=BTC,NEW") as client:
            start = await asyncio.wait_for(client.sent.get(), 20)
            first = await client.event()
            monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-03-03T00:00Z")
            return start, first, await client.event()

    start, first, second = asyncio.run(follow())
    headers = dict(start["headers"])
    assert (start["status"], headers[b"content-type"]) == (200, b"text/event-stream; charset=utf-8")
    assert first == ("features", expected)
    names = expected["metadata"]["feature_names"]
    statuses = [
        dict(zip(names, (column["statuses"][0] for column in event[1]["results"]), strict=True))
        for event in (first, second)
    ]
    assert [one["rsi_14"] for one in statuses] == ["PRESENT", "OUTSIDE_MAX_AGE"]


def test_a_publish_is_told_at_once_and_says_which_values_are_partial(
    own: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "EVERY", 3600.0)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + HOUR).isoformat())
    publish = OnlinePublisher()

    async def follow() -> list[Any]:
        app = server.app()
        async with app.router.lifespan_context(app), asking(app, "symbols=BTC,ETH") as client:
            await asyncio.wait_for(client.sent.get(), 20)
            found = [await client.event()]
            await asyncio.sleep(0.5)  # the store's news are listened to by now.
            for row in (newer(1.0).with_columns(pl.Series(PARTIAL, [False, True])), newer(1.0)):
                await asyncio.to_thread(publish, "trading_signals", row)
                found.append(await client.event())
        return [event[1] for event in found]

    before, partial, whole = asyncio.run(follow())
    lacking = partial["metadata"].pop("partial")
    assert {*lacking} <= {*whole["metadata"]["feature_names"]}
    assert lacking["can_buy"] == [1]
    assert (partial, "partial" in whole["metadata"], before == whole) == (whole, False, False)


def test_what_is_wrong_is_said_before_a_stream_begins(
    published: FeastResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(server.app(), raise_server_exceptions=False) as client:
        assert client.get(PATH).status_code == 422
        assert client.get("/features/nope/stream?symbols=BTC").status_code == 422
        assert client.get(f"{PATH}?symbols=").status_code == 422
        monkeypatch.setattr(streams, "MOST", 0)
        refused = client.get(f"{PATH}?symbols=BTC")
        assert (refused.status_code, "0 streams" in refused.json()["detail"]) == (503, True)
        monkeypatch.setenv(server_guard.TOKEN, "s3cret")
        assert client.get(f"{PATH}?symbols=BTC").status_code == 401


class Store:
    """What is asked, and how often it was."""

    def __init__(self) -> None:
        self.newest, self.asked, self.error = b"1", 0, ""
        self._turn = asyncio.Semaphore(0)

    async def answered(self, times: int) -> None:
        """Wait until it was asked so often from now on, and one time more, whose answer may be older."""
        self._turn = asyncio.Semaphore(0)
        for _ in range(times + 1):
            await self._turn.acquire()

    async def read(self, _: streams.Question) -> bytes:
        self.asked += 1
        self._turn.release()
        if self.error:
            raise InputError(self.error)
        return self.newest


async def no_news() -> News:
    raise OSError("nobody tells of a publish")


def test_a_slow_client_gets_the_newest_and_not_what_was_between() -> None:
    async def follow() -> list[bytes]:
        store = Store()
        events = streams.Streams(store.read, no_news).events(("service", ("BTC",)))
        found = [await anext(events), await anext(events)]
        for number in range(2, 6):
            store.newest = b"%d" % number
            await store.answered(1)
        found.append(await anext(events))
        store.error = "the store is away"
        found.append(await anext(events))
        assert await anext(events, None) is None, "a client connects again after an error"
        return found[1:]

    assert asyncio.run(follow()) == [
        b"event: features\ndata: 1\n\n",
        b"event: features\ndata: 5\n\n",
        b'event: error\ndata: {"detail": "the store is away"}\n\n',
    ]


def test_clients_that_ask_the_same_share_a_reader_which_ends_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT", 0.02)

    async def follow() -> None:
        store = Store()
        served = streams.Streams(store.read, no_news)
        one, other = (served.events(("service", ("BTC",))) for _ in range(2))
        for events in (one, other):
            assert await anext(events) == b"retry: 1000\n\n"
            assert await anext(events) == b"event: features\ndata: 1\n\n"
        assert store.asked == 1
        assert await anext(one) == b": nothing is new\n\n"
        monkeypatch.setattr(streams, "MOST", 2)
        with pytest.raises(StoreUnreachableError, match="2 streams"):
            served.require_place()
        await one.aclose()
        served.require_place()
        await other.aclose()
        asked = store.asked
        await asyncio.sleep(3 * streams.EVERY)
        assert store.asked == asked

    asyncio.run(follow())
