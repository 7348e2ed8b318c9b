"""What a bot with an event loop holds: the newest features of a store, and being told of new ones."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from crypto_features_reader.address import checked
from crypto_features_reader.arguments import check_pause
from crypto_features_reader.backend import News
from crypto_features_reader.connect import HTTP, POSTGRES, REDIS, SQLITE, file_of, missing, unknown
from crypto_features_reader.features import OnlineFeatures
from crypto_features_reader.plan import Request
from crypto_features_reader.reader import PROJECT
from crypto_features_reader.reading import DatabaseReading
from crypto_features_reader.sqlite import SqliteReader
from crypto_features_reader.steps import Steps, awaited, driven
from crypto_features_reader.wake import Wake

if TYPE_CHECKING:
    from crypto_features_reader.http_answer import HttpReading
    from crypto_features_reader.passport import Passport

EVERY = timedelta(milliseconds=500)


class AsyncReader:
    """As `Reader`, for one event loop: a server is waited for without a thread; a SQLite file is read in one.

    Args:
        url: As `Reader`.
        project: As `Reader`.
        token: As `Reader`.

    Raises:
        SettingsError: as `Reader`.
    """

    def __init__(self, url: str, *, project: str = PROJECT, token: str | None = None) -> None:
        self._source, self._reading = _opened(url, project, token)

    async def get_online_features(
        self,
        symbols: Sequence[str],
        feature_refs: Sequence[str] | str,
        *,
        max_age: timedelta | None = None,
        full_feature_names: bool = False,
        passport: "Passport | None" = None,
    ) -> OnlineFeatures:
        """As `Reader.get_online_features`, without blocking the event loop."""
        request = Request.of(symbols, feature_refs, max_age, full=full_feature_names, passport=passport)
        found: OnlineFeatures = await self._source.run(self._reading.steps(request))
        return found

    async def watch_online_features(
        self,
        symbols: Sequence[str],
        feature_refs: Sequence[str] | str,
        *,
        max_age: timedelta | None = None,
        full_feature_names: bool = False,
        passport: "Passport | None" = None,
        every: timedelta = EVERY,
    ) -> AsyncGenerator[OnlineFeatures, None]:
        """The newest features at once, and again each time that a value, a status or an event time is another one.

        Args:
            symbols: As `get_online_features`.
            feature_refs: As `get_online_features`.
            max_age: As `get_online_features`.
            full_feature_names: As `get_online_features`.
            passport: As `get_online_features`.
            every: How often the store is asked at least. It is asked at once when something is published, except
                over HTTP.

        Raises:
            InputError: if `every` is not a duration longer than 0, and as `get_online_features`.
            StoreUnreachableError: if the online store does not answer; begin to watch again.
        """
        check_pause(every)

        async def read() -> OnlineFeatures:
            return await self.get_online_features(
                symbols, feature_refs, max_age=max_age, full_feature_names=full_feature_names, passport=passport
            )

        async with aclosing(Wake(self._source.news).changes(read, every.total_seconds())) as changes:
            async for found in changes:
                yield found

    async def close(self) -> None:
        """Give connections back."""
        await self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Server:
    """A server, each step of which is awaited."""

    def __init__(self, backend: Any) -> None:
        self._backend, self.name = backend, backend.name
        self.news: Callable[[], Any] = backend.news

    async def run(self, steps: Steps[Any]) -> Any:
        return await awaited(self._ask, steps)

    async def close(self) -> None:
        await self._backend.close()

    async def _ask(self, method: str, *values: Any) -> Any:
        return await getattr(self._backend, method)(*values)


class _File:
    """A SQLite file, all steps of which are done in one thread of its own."""

    def __init__(self, url: str) -> None:
        self._backend = SqliteReader(file_of(url))
        self.name = self._backend.name
        self._thread = ThreadPoolExecutor(1, "crypto-features-reader")

    async def run(self, steps: Steps[Any]) -> Any:
        return await self._in_thread(driven, self._ask, steps)

    async def news(self) -> News:
        return await self._backend.news()

    async def close(self) -> None:
        await self._in_thread(self._backend.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., Any], *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *values)

    def _ask(self, method: str, *values: Any) -> Any:
        return getattr(self._backend, method)(*values)


def _opened(url: str, project: str, token: str | None) -> "tuple[_Server | _File, DatabaseReading | HttpReading]":
    """What answers at an address, and how it is read."""
    if url.partition("://")[0] in HTTP:
        from crypto_features_reader.http_answer import HttpReading
        from crypto_features_reader.http_async import AsyncHttpClient

        client = AsyncHttpClient(url, token)
        return _Server(client), HttpReading(client.name)
    source = _database(url)
    return source, DatabaseReading(source.name, project)


def _database(url: str) -> _Server | _File:
    scheme = url.partition("://")[0]
    if scheme in SQLITE:
        return _File(url)
    try:
        if scheme in REDIS:
            from crypto_features_reader.redis_async import AsyncRedisReader

            return _Server(AsyncRedisReader(checked(url, "Valkey or Redis")))
        if scheme in POSTGRES:
            from crypto_features_reader.postgres_async import AsyncPostgresReader

            return _Server(AsyncPostgresReader(checked(url, "PostgreSQL")))
    except ImportError as error:
        raise missing(scheme, error) from None
    raise unknown(url)
