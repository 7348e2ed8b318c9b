"""The whole content of an online view as a Polars frame, to be compared with the offline table."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from feast import FeatureStore, FeatureView
from feast.infra.key_encoding_utils import deserialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType

from crypto_features.errors import InputError
from crypto_features.store.online.pack_frame import VALUES
from crypto_features.store.online.place import table_name
from crypto_features.store.online.request import entity_keys
from crypto_features.store.online.store import GuardedOnlineStore
from crypto_features.store.tags import carried
from crypto_features.tables.dtypes import TIME
from crypto_features_reader.unpacking import kind_of, unpack_columns


def guarded_store(store: FeatureStore) -> GuardedOnlineStore:
    """The online store of a Feast store.

    Raises:
        InputError: if it is not the guarded one.
    """
    online = store.provider.online_store
    if not isinstance(online, GuardedOnlineStore):
        raise InputError(f"{type(online).__name__} is not the guarded online store of crypto_features.")
    return online


def online_frame(store: FeatureStore, view: FeatureView, entity: Mapping[str, object] | None = None) -> pl.DataFrame:
    """Every row of a view: join keys, `event_timestamp`, `created_timestamp`, features and what else its rows carry.

    Sorted by join keys; the row of one entity if its join key values are given.

    Raises:
        InputError: if the online store is not the guarded one.
    """
    keys = [column.name for column in view.entity_columns]
    value_types = {field.name: field.dtype.to_value_type() for field in view.features}
    value_types |= dict.fromkeys(carried(view), ValueType.DOUBLE)
    kinds = {name: kind_of(value_type.name) for name, value_type in value_types.items()}
    backend, table = guarded_store(store).backend(store.config), table_name(store.config, view)
    version = store.config.entity_key_serialization_version
    if entity is None:
        rows = [*backend.scan(table)]
    else:
        (key,), _ = entity_keys(view, {name: [value] for name, value in entity.items()}, version)
        rows = [*backend.read({table: [key]})[table].values()]
    entities = [_entity(deserialize_entity_key(row.key, version)) for row in rows]
    columns = unpack_columns([row.payload for row in rows], [*kinds.items()])
    stamps = {"event_timestamp": [row.event for row in rows], "created_timestamp": [row.created for row in rows]}
    frame = pl.DataFrame(
        {
            **{key: [entity.get(key) for entity in entities] for key in keys},
            **{name: pl.Series(times, dtype=pl.Int64).cast(TIME) for name, times in stamps.items()},
            **{
                name: [_opened(value, kind, value_types[name]) for value in column]
                for (name, kind), column in zip(kinds.items(), columns, strict=True)
            },
        },
        schema_overrides={name: VALUES.get(value_type, pl.Binary()) for name, value_type in value_types.items()},
    )
    return frame.sort(keys)


def _entity(key: EntityKey) -> dict[str, Any]:
    values = [getattr(value, value.WhichOneof("val")) for value in key.entity_values]
    return dict(zip(key.join_keys, values, strict=True))


def _opened(value: Any, kind: str, value_type: ValueType) -> Any:
    """A value as Python has it; one of a type that no table has stays packed."""
    if value is None or kind != "value" or value_type not in VALUES:
        return value
    return feast_value_type_to_python_type(Value.FromString(value))
