"""Server-sent events: the newest features of a service at once, and again each time that they change.

Those who ask the same share one reader. A client that reads slowly gets the newest answer when it is ready for one,
and not those between; the connection of one that reads nothing is ended by the server.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from crypto_features.errors import CryptoFeaturesError
from crypto_features.store.errors import StoreUnreachableError
from crypto_features_reader.backend import News
from crypto_features_reader.wake import Wake

MOST = 128
"""How many streams one process serves."""
PATH = "/stream"
"""Ends the path of a stream."""
EVERY = 0.5
"""Seconds between two looks at the store, if nothing is published."""
_EACH = 0.006
"""Seconds before a question is asked again, for each question that is asked: together they take no more than a few."""
BEAT = 15.0
"""Seconds after which a stream without news says that it lives."""

log = logging.getLogger(__name__)

Question = tuple[str, tuple[str, ...]]
"""Service and symbols."""


class _Feed:
    """One question, asked again and again for all who wait for its answer."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], pause: Callable[[], float]) -> None:
        self.newest, self.number, self.readers, self.error = b"", 0, 0, ""
        self.news, self.due = asyncio.Event(), asyncio.Event()
        self.task = asyncio.ensure_future(self._follow(read, pause))

    async def _follow(self, read: Callable[[], Awaitable[bytes]], pause: Callable[[], float]) -> None:
        while not self.error:
            self.due.clear()
            try:
                found = await read()
            except CryptoFeaturesError as error:
                self.error = str(error)
            except Exception:
                log.exception("a stream failed")  # its text may hold an address with its password.
                self.error = "an error of the server; its log holds the cause"
            else:
                if found != self.newest:
                    self.newest, self.number = found, self.number + 1
                    self._tell()
                await asyncio.sleep(pause())
                await self.due.wait()
        self._tell()

    def _tell(self) -> None:
        told, self.news = self.news, asyncio.Event()
        told.set()


class Streams:
    """The streams of one process.

    Args:
        read: `await read(question)` gives an answer as JSON in one line.
        open_news: Opens the news of the store.
    """

    def __init__(self, read: Callable[[Question], Awaitable[bytes]], open_news: Callable[[], Awaitable[News]]) -> None:
        self._read, self._open, self._feeds = read, open_news, dict[Question, _Feed]()
        self._waking: asyncio.Task[None] | None = None

    def require_place(self) -> None:
        """Check that another stream may begin.

        Raises:
            StoreUnreachableError: if there are as many as may be.
        """
        if sum(feed.readers for feed in self._feeds.values()) >= MOST:
            raise StoreUnreachableError(f"{MOST} streams are served; end one, or ask again later")

    def _pause(self) -> float:
        return _EACH * len(self._feeds)

    async def _wake(self) -> None:
        """Have every question asked again when something was published, and after a while."""
        wake = Wake(self._open)
        try:
            await wake.begin()
            while True:
                await wake.wait(EVERY)
                for feed in self._feeds.values():
                    feed.due.set()
        finally:
            await wake.close()

    async def events(self, question: Question) -> AsyncGenerator[bytes, None]:
        """The events of a question, without an end of their own but an error."""
        async with self._following(question) as feed:
            seen = 0
            yield b"retry: 1000\n\n"
            while True:
                if feed.number != seen:
                    seen = feed.number
                    yield b"event: features\ndata: %s\n\n" % feed.newest
                elif feed.error:
                    yield b"event: error\ndata: %s\n\n" % json.dumps({"detail": feed.error}).encode()
                    return
                else:
                    try:
                        async with asyncio.timeout(BEAT):
                            await feed.news.wait()
                    except TimeoutError:
                        yield b": nothing is new\n\n"

    @asynccontextmanager
    async def _following(self, question: Question) -> AsyncGenerator[_Feed, None]:
        feed = self._feeds.get(question)
        if feed is None or feed.error:
            feed = self._feeds[question] = _Feed(lambda: self._read(question), self._pause)
        if self._waking is None or self._waking.done():
            self._waking = asyncio.ensure_future(self._wake())
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers:
                feed.task.cancel()
                if self._feeds.get(question) is feed:
                    del self._feeds[question]
                if not self._feeds and self._waking is not None:
                    self._waking.cancel()
                    self._waking = None
