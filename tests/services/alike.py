"""One online store, read by the platform and by the reader."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import redis
from feast import FeatureService, FeatureStore
from psycopg import sql

from crypto_features import clock
from crypto_features.store import registered
from crypto_features.store.online.answer import online_features_of
from crypto_features.store.online.manifest import publish_manifest
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.place import table_name
from crypto_features.store.online.request import entity_keys
from crypto_features.store.online.store import GuardedOnlineStore, limited_to
from crypto_features.store.tags import BEHAVIOUR, LEAST
from crypto_features_reader import AsyncReader, OnlineFeatures, Reader
from crypto_features_reader.postgres import held
from tests.store import factory

NOW = datetime(2024, 1, 2, tzinfo=UTC)
PROJECT = "shop"
FEATURES = {"price": pl.Float64, "count": pl.Int64, "label": pl.String, "up": pl.Boolean}
VALUES = {"price": 1.5, "count": 3, "label": "BULL", "up": True}
EVERY = [f"prices:{name}" for name in FEATURES]
MIXED = ["prices:up", "volumes:size", "prices:price"]


def opened(folder: Path, url: str) -> FeatureStore:
    """A store of two views, of which the first carries completeness, and a service of both."""
    prices = factory.view(folder, "prices", FEATURES, ttl=timedelta(hours=1))
    prices.tags = {LEAST: "0.9"}
    for field in prices.features:
        field.tags = {BEHAVIOUR: f"{field.name} as it was"}
    volumes = factory.view(folder, "volumes", {"size": pl.Float64}, ttl=timedelta(0))
    both = FeatureService(name="both", features=[volumes, prices[["label", "price"]]])
    online = {"type": factory.ONLINE, "url": url, "grace_seconds": 300}
    versions = {"enable_online_feature_view_versioning": True}
    return factory.store(folder, [prices, volumes], both, online=online, registry=versions)


def online(feast: FeatureStore) -> GuardedOnlineStore:
    found = feast.provider.online_store
    assert isinstance(found, GuardedOnlineStore)
    return found


def publish(
    feast: FeatureStore, view: str, ages: Mapping[str, timedelta], heard: bytes | None = None, **values: Any
) -> None:
    """Publish a row of each symbol, so long ago, and the manifest, as a materialization does."""
    rows = [
        {"symbol": symbol, "event_timestamp": NOW - age, "created_timestamp": NOW, "completeness": 1.0, **VALUES}
        for symbol, age in ages.items()
    ]
    frame = pl.DataFrame([{**row, "size": 7.0, **values} for row in rows], infer_schema_length=None)
    declared = feast.get_feature_view(view)
    packed = packed_rows(frame, declared, 3, None if heard is None else [heard] * frame.height)
    online(feast).write_rows(feast.config, declared, packed)
    publish_manifest(online(feast), feast.config, feast.registry)


def by_platform(
    feast: FeatureStore,
    symbols: Sequence[str],
    features: Sequence[str] | str,
    *,
    full: bool = False,
    max_age: timedelta | None = None,
) -> OnlineFeatures:
    """What `get_online_features` of the platform gives."""
    feast.refresh_registry()
    refs = registered.resolved(feast, features, full=full)
    with limited_to(max_age):
        response: Any = feast.get_online_features(refs, {"symbol": list(symbols)}, full_feature_names=full)
    return online_features_of(response, {"symbol"}, clock.now())


def by_reader(
    url: str,
    symbols: Sequence[str],
    features: Sequence[str] | str,
    *,
    full: bool = False,
    max_age: timedelta | None = None,
    project: str = PROJECT,
) -> OnlineFeatures:
    """What the reader gives, with and without an event loop."""
    more: dict[str, Any] = {"full_feature_names": full, "max_age": max_age}

    async def awaited() -> OnlineFeatures:
        async with AsyncReader(url, project=project) as reader:
            return await reader.get_online_features(symbols, features, **more)

    with Reader(url, project=project) as reader:
        first = reader.get_online_features(symbols, features, **more)
        again = reader.get_online_features(symbols, features, **more)
    assert content(again) == content(first)
    assert content(asyncio.run(awaited())) == content(first)
    return first


def content(answer: OnlineFeatures) -> dict[str, Any]:
    """All that an answer says, in order."""
    return {"values": list(answer.items()), "statuses": list(answer.statuses.items()), **vars(answer)}


def damage(feast: FeatureStore, url: str, folder: Path, view: str, symbol: str) -> None:
    """Give a stored row another event time, past the store."""
    declared = feast.get_feature_view(view)
    table = table_name(feast.config, declared)
    (key,), _ = entity_keys(declared, {"symbol": [symbol]}, 3)
    if url.startswith("sqlite"):
        with sqlite3.connect(folder / "online.db") as file:
            file.execute(f'UPDATE "{table}" SET event = event + 1 WHERE key = ?', [key])  # noqa: S608 - of this test.
        file.close()
    elif url.startswith("redis"):
        client: Any = redis.Redis.from_url(url)
        stored = bytearray(client.hget(f"crypto_features:1:{table}", key))
        stored[7] ^= 1
        client.hset(f"crypto_features:1:{table}", key, bytes(stored))
        client.hset(f"crypto_features:1:{table}", b"", b"another version")
    else:
        with psycopg.connect(url) as connection:
            update = sql.SQL("UPDATE {table} SET event = event + 1 WHERE key = %s")
            connection.execute(update.format(table=sql.Identifier(held(table))), [key])
