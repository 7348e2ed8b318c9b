"""Nouns of the store tests: a Feast repository of its own for each test, and its tables."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast import types as feast_types
from feast.data_format import ParquetFormat

from crypto_features.store.offline import join

OFFLINE = "crypto_features.store.offline.store.PolarsOfflineStore"
ONLINE = "crypto_features.store.online.store.GuardedOnlineStore"
PROVIDER = "crypto_features.store.provider.GuardedProvider"
SYMBOL = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING)
T0 = datetime(2024, 1, 1, tzinfo=UTC)
DTYPES = {
    pl.Float64: feast_types.Float64,
    pl.Int64: feast_types.Int64,
    pl.String: feast_types.String,
    pl.Boolean: feast_types.Bool,
}


def config(folder: Path, *, offline: str = OFFLINE, online: Mapping[str, Any] | None = None, **more: Any) -> RepoConfig:
    """A configuration with everything below one folder."""
    guarded = online is None or online.get("type") == ONLINE
    return RepoConfig(
        project="shop",
        provider=PROVIDER if guarded else "local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder}/registry.db", **more.pop("registry", {})},
        offline_store={"type": offline},
        online_store=dict(online or {"type": ONLINE, "url": f"sqlite:///{folder}/online.db"}),
        entity_key_serialization_version=3,
        repo_path=folder,
        **more,
    )


def view(
    folder: Path,
    name: str,
    features: Mapping[str, type[pl.DataType]],
    *,
    ttl: timedelta = timedelta(days=1),
    entities: Sequence[Entity] = (SYMBOL,),
    path: str | None = None,
    created: bool = True,
    **source: Any,
) -> FeatureView:
    """A feature view over the folder of Parquet files of its name."""
    return FeatureView(
        name=name,
        entities=list(entities),
        ttl=ttl,
        schema=[
            *(Field(name=e.join_key, dtype=feast_types.from_value_type(e.value_type)) for e in entities),
            *(Field(name=feature, dtype=DTYPES[dtype]) for feature, dtype in features.items()),
        ],
        source=FileSource(
            name=f"{name}_source",
            path=path or str(folder / name),
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp" if created else "",
            **source,
        ),
    )


def store(folder: Path, views: Sequence[FeatureView], *services: FeatureService, **settings: Any) -> FeatureStore:
    """A Feast store on which those views were applied."""
    entities = {entity.name: entity for entity in (SYMBOL, *settings.pop("entities", ()))}
    feast = FeatureStore(config=config(folder, **settings))
    feast.apply([*entities.values(), *views, *services])
    return feast


def table(folder: Path, name: str, rows: pl.DataFrame, file: str = "2024-01.parquet") -> None:
    """Write one Parquet file of a table; times become UTC microseconds."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    utc = [join.utc(pl.col(name)).alias(name) for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
    rows.with_columns(utc).write_parquet(folder / name / file)


def hour(number: float) -> datetime:
    """That many hours after 2024-01-01 00:00 UTC."""
    return T0 + timedelta(hours=number)
