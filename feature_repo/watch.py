"""Being told of new features: the newest ones each time that they change."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

from crypto_features.store import session
from crypto_features.store.reach import reaching
from crypto_features_reader.arguments import check_pause
from crypto_features_reader.features import OnlineFeatures
from feature_repo.online import get_online_features_async

if TYPE_CHECKING:
    from crypto_features_reader.backend import News

_EVERY = timedelta(milliseconds=500)


async def watch_online_features(
    symbols: Sequence[str],
    feature_refs: Sequence[str] | str,
    *,
    max_age: timedelta | None = None,
    full_feature_names: bool = False,
    every: timedelta = _EVERY,
) -> AsyncGenerator[OnlineFeatures, None]:
    """The newest features at once, and again each time that a value, a status or an event time is another one.

    Each answer is the store's newest state, as `get_online_features` gives it: what changes while you work on one
    comes together with the next, nothing older follows anything newer, and a value that expires comes as `None` with
    its status.

    Args:
        symbols: As `get_online_features`.
        feature_refs: As `get_online_features`.
        max_age: As `get_online_features`.
        full_feature_names: As `get_online_features`.
        every: How often the store is asked at least. It is asked at once when something is published: PostgreSQL
            notifies, Valkey tells a channel, and Linux reports what is written to a SQLite file. A change whose notice
            is swallowed, as by some connection poolers, comes so late, and so does it that a value expires.

    Raises:
        InputError: if `every` is not a duration longer than 0, and as `get_online_features`.
        StoreUnreachableError: if the online store does not answer; begin to watch again.
    """
    check_pause(every)
    from crypto_features_reader.wake import Wake

    async def read() -> OnlineFeatures:
        return await get_online_features_async(
            symbols, feature_refs, max_age=max_age, full_feature_names=full_feature_names
        )

    async with aclosing(Wake(_news).changes(read, every.total_seconds())) as changes:
        async for found in changes:
            yield found


async def _news() -> "News":
    """What the online store says of its publishes."""
    store = await asyncio.to_thread(reaching(session.applied_store))
    from crypto_features.store.online.unpack_frame import guarded_store

    return await guarded_store(store).backend(store.config).news()
