"""Feast's entity, sources, views and services, all built from the declarations of the features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import feast
import polars as pl
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast import types as feast_types
from feast.data_format import ParquetFormat
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.settings import Settings
from crypto_features.store import session
from crypto_features.store.online.pack_frame import VALUES
from crypto_features.store.sharing import borrowed_view
from crypto_features.store.tags import BEHAVIOUR, DEFINITION, LEAST
from crypto_features.tables.completeness import COMPLETENESS, least, lowest_columns
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.service import FeatureService
from crypto_features.versions.behind import definitions_behind
from crypto_features.versions.measured import current_definitions, feature_versions, table_version

SYMBOL = "symbol"

_KINDS = {dtype: kind for kind, dtype in VALUES.items()} | {
    pl.Date(): ValueType.UNIX_TIMESTAMP,
    pl.List(pl.Date()): ValueType.UNIX_TIMESTAMP_LIST,
}


@dataclass(frozen=True)
class FeastObjects:
    """Everything that `feast apply` registers."""

    entity: Entity
    sources: Mapping[str, FileSource]
    views: Mapping[str, FeatureView]
    services: Mapping[str, feast.FeatureService]

    @property
    def objects(self) -> dict[str, object]:
        """All of them by the name that each has in a module."""
        return {
            self.entity.name: self.entity,
            **{f"{name}_source": source for name, source in self.sources.items()},
            **self.views,
            **self.services,
        }


def feast_objects(root: UPath, interval: timedelta) -> FeastObjects:
    """The definitions over the tables below a data folder or bucket.

    Args:
        root: The folder or bucket.
        interval: Length of a base candle.

    Raises:
        InputError: if a value of a group would be too old before the next one comes, or a view of another project has
            its table in another data folder.
        SettingsError: if `feature_store.yaml` names another project than the catalog.
        NotAppliedError: if a view of another project is read that this one has not registered.
    """
    catalog = current_catalog()
    session.require_project(catalog.project)
    entity = Entity(
        name=SYMBOL,
        join_keys=[SYMBOL],
        value_type=ValueType.STRING,
        description="Base asset of a spot market against the quote currency, such as BTC.",
    )
    groups = catalog.groups
    sources = {name: _source(root, group) for name, group in groups.items()}
    views = {name: _view(entity, sources[name], group, interval) for name, group in groups.items()}
    for name, table in catalog.borrowed.items():
        views[name] = borrowed_view(
            session.feature_store(), entity, table, _type, ttl=table.time_to_live(interval), folder=root / name
        )
        sources[name] = views[name].batch_source
    services = {
        name: feast.FeatureService(
            name=name,
            description=service.description,
            features=[
                part for group, names in service.features.items() for part in _parts(service, views[group], names)
            ],
        )
        for name, service in catalog.services.items()
    }
    return FeastObjects(entity, sources, views, services)


def _parts(service: FeatureService, view: FeatureView, names: Sequence[str]) -> list[FeatureView | str]:
    """What a service reads of a view: its current version, or the one that the service pins."""
    pinned = service.versions.get(view.name)
    return [view[list(names)]] if pinned is None else [f"{view.name}@v{pinned}:{name}" for name in names]


def _source(root: UPath, group: FeatureGroup) -> FileSource:
    return FileSource(
        name=group.name,
        path=str(root / group.name),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        description=f"One Parquet file a month. {group.description}",
    )


def _type(dtype: pl.DataType) -> feast_types.FeastType:
    return feast_types.from_value_type(_KINDS[dtype])


def _view(entity: Entity, source: FileSource, group: FeatureGroup, interval: timedelta) -> FeatureView:
    behaviour, lowest = feature_versions(group.name), lowest_columns(group)
    defined = definitions_behind({group.name: group.columns}, current_catalog(), current_definitions())
    return FeatureView(
        name=group.name,
        description=group.description,
        entities=[entity],
        ttl=group.time_to_live(interval),
        source=source,
        schema=[
            Field(name=SYMBOL, dtype=feast_types.String),
            *(
                Field(
                    name=feature.name,
                    dtype=_type(feature.column_type),
                    description=feature.description,
                    # A tag is part of the field: a change of behaviour becomes a new version of the view.
                    tags={
                        "unit": feature.unit,
                        BEHAVIOUR: behaviour[feature.name],
                        DEFINITION: defined[f"{group.name}:{feature.name}"],
                        COMPLETENESS: lowest[feature.name],
                    },
                )
                for feature in group.features
            ),
        ],
        tags={
            BEHAVIOUR: table_version(group.name),
            LEAST: f"{least(group, Settings.load().min_completeness):g}",
        },
    )
