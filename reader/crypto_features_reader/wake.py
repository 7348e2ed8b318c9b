"""Waking whoever watches an online store when something is published to it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from time import monotonic

from crypto_features_reader.backend import News
from crypto_features_reader.features import OnlineFeatures

_AGAIN = 5.0
"""Seconds before a source of news that failed is opened again."""
_WITHOUT = 0.02
"""Seconds of a wait at most while there is no source of news."""


class Wake:
    """Wakes a watcher: by the database's own news, and at the latest after a while; without news after 20 ms.

    Args:
        open_news: Opens the news of a database.
    """

    def __init__(self, open_news: Callable[[], Awaitable[News]]) -> None:
        self._open, self._again = open_news, 0.0
        self._news: News | None = None

    async def begin(self) -> None:
        """Listen from now on; what is published later wakes the next `wait`."""
        if self._news is None and monotonic() >= self._again:
            self._again = monotonic() + _AGAIN
            with suppress(Exception):  # whatever is wrong with the server, who reads it says it.
                self._news = await self._open()

    async def wait(self, seconds: float) -> None:
        """Return once something was published since the last return, and after so many seconds at the latest."""
        if self._news is None:
            await asyncio.sleep(min(seconds, _WITHOUT))
            await self.begin()
            return
        try:
            await self._news.wait(seconds)
        except Exception:  # noqa: BLE001 - as above.
            await self.close()
            await asyncio.sleep(min(seconds, _WITHOUT))

    async def close(self) -> None:
        """Listen no longer."""
        news, self._news = self._news, None
        if news is not None:
            with suppress(Exception):
                await news.close()

    async def changes(
        self, read: Callable[[], Awaitable[OnlineFeatures]], seconds: float
    ) -> AsyncGenerator[OnlineFeatures, None]:
        """What `read` gives at once, and again when that is another one; asked after so many seconds at the latest."""
        seen: OnlineFeatures | None = None
        try:
            await self.begin()
            while True:
                found = await read()
                if seen is None or not seen.is_like(found):
                    seen = found
                    yield found
                await self.wait(seconds)
        finally:
            await self.close()
