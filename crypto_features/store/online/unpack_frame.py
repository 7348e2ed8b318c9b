"""The whole content of an online view as a Polars frame, to be compared with the offline table."""

from typing import Any

import polars as pl
from feast import FeatureStore, FeatureView
from feast.infra.key_encoding_utils import deserialize_entity_key
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType

from crypto_features.errors import InputError
from crypto_features.store.online.pack_frame import DTYPES, VALUES
from crypto_features.store.online.packing import kind_of, require_kinds, unpack
from crypto_features.store.online.place import table_name
from crypto_features.store.online.store import GuardedOnlineStore
from crypto_features.store.tags import carried


def guarded_store(store: FeatureStore) -> GuardedOnlineStore:
    """The online store of a Feast store.

    Raises:
        InputError: if it is not the guarded one.
    """
    online = store.provider.online_store
    if not isinstance(online, GuardedOnlineStore):
        raise InputError(f"{type(online).__name__} is not the guarded online store of crypto_features.")
    return online


def online_frame(store: FeatureStore, view: FeatureView) -> pl.DataFrame:
    """Every row of a view: join keys, `event_timestamp`, `created_timestamp`, features and what else its rows carry.

    Sorted by join keys.

    Raises:
        InputError: if the online store is not the guarded one.
    """
    online = guarded_store(store)
    keys = [column.name for column in view.entity_columns]
    value_types = {field.name: field.dtype.to_value_type() for field in view.features}
    kinds = {name: kind_of(value_type.name) for name, value_type in value_types.items()}
    kinds |= dict.fromkeys(carried(view), "double_val")
    records: list[dict[str, Any]] = []
    for row in online.backend(store.config).scan(table_name(store.config, view)):
        entity = deserialize_entity_key(row.key, store.config.entity_key_serialization_version)
        values = [getattr(value, value.WhichOneof("val")) for value in entity.entity_values]
        names, stored, features = unpack(row.payload)
        require_kinds(dict(zip(names, stored, strict=True)), kinds.items())
        records.append(
            {
                **dict(zip(entity.join_keys, values, strict=True)),
                "event_timestamp": row.event,
                "created_timestamp": row.created,
                **{
                    name: _opened(value, kinds.get(name), value_types.get(name))
                    for name, value in zip(names, features, strict=True)
                },
            }
        )
    stamps = {"event_timestamp": pl.Int64, "created_timestamp": pl.Int64}
    types = {
        name: DTYPES[kind] if kind in DTYPES else VALUES.get(value_types[name], pl.Binary())
        for name, kind in kinds.items()
    }
    columns = [*keys, *stamps, *kinds]
    frame = pl.DataFrame(
        {name: [record.get(name) for record in records] for name in columns}, schema_overrides={**stamps, **types}
    )
    return frame.with_columns(pl.col(*stamps).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).sort(keys)


def _opened(value: Any, kind: str | None, value_type: ValueType | None) -> Any:
    """A value as Python has it; one of a type that no table has stays packed."""
    if value is None or kind != "value" or value_type not in VALUES:
        return value
    return feast_value_type_to_python_type(Value.FromString(value))
