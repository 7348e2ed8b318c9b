"""Packs the rows of a Polars frame for the online store, without a protobuf a value."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType

from crypto_features.store.fit import fitted
from crypto_features.store.offline.join import utc
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.packing import kind_of, packer
from crypto_features.store.online.request import serialized
from crypto_features.store.tags import carried

DTYPES: dict[str, pl.DataType] = {
    "double_val": pl.Float64(),
    "float_val": pl.Float32(),
    "int64_val": pl.Int64(),
    "int32_val": pl.Int32(),
    "bool_val": pl.Boolean(),
    "string_val": pl.String(),
}

_TIME = pl.Datetime("us", "UTC")
VALUES: dict[ValueType, pl.DataType] = {
    ValueType.BYTES: pl.Binary(),
    ValueType.UNIX_TIMESTAMP: _TIME,
    ValueType.DOUBLE_LIST: pl.List(pl.Float64),
    ValueType.FLOAT_LIST: pl.List(pl.Float32),
    ValueType.INT64_LIST: pl.List(pl.Int64),
    ValueType.INT32_LIST: pl.List(pl.Int32),
    ValueType.BOOL_LIST: pl.List(pl.Boolean),
    ValueType.STRING_LIST: pl.List(pl.String),
    ValueType.BYTES_LIST: pl.List(pl.Binary),
    ValueType.UNIX_TIMESTAMP_LIST: pl.List(_TIME),
}
"""The column types of the kind `value`, where a table has such columns."""


def packed_rows(
    frame: pl.DataFrame, view: FeatureView, time: str, created: str | None, version: int
) -> list[StoredRow]:
    """One packed row for each row of a frame with the columns of a view.

    Args:
        frame: Join keys, features, what else the view's rows carry, event time and created time.
        view: Whose schema decides the types.
        time: Event time column.
        created: Created time column, if there is one.
        version: Version of Feast's entity keys.
    """
    fields = {field.name: field.dtype.to_value_type() for field in view.features}
    kinds = tuple(kind_of(value_type.name) for value_type in fields.values())
    columns = [
        _values(frame[name], kind, value_type) for (name, value_type), kind in zip(fields.items(), kinds, strict=True)
    ]
    shares = carried(view)
    columns += [frame[name].cast(pl.Float64).to_list() for name in shares]
    pack = packer((*fields, *shares), (*kinds, *["double_val"] * len(shares)))
    events = frame.select(utc(pl.col(time))).to_series().to_physical().to_list()
    stamps = (
        frame.select(utc(pl.col(created))).to_series().to_physical().fill_null(0).to_list()
        if created
        else [0] * frame.height
    )
    keys = _keys(frame, view, version)
    rows = zip(*columns, strict=True) if columns else iter([()] * frame.height)
    return [
        StoredRow(*row, pack(values)) for row, values in zip(zip(keys, events, stamps, strict=True), rows, strict=True)
    ]


def _values(column: pl.Series, kind: str, value_type: ValueType) -> list[Any]:
    if kind != "value":
        return fitted(column, DTYPES[kind]).to_list()
    protos = python_values_to_proto_values(dates_as_times(column).to_list(), value_type)
    return [proto.SerializeToString() if proto.WhichOneof("val") else None for proto in protos]


def dates_as_times(column: pl.Series) -> pl.Series:
    """Dates, or lists of them, as their midnights, which is what Feast holds of a date."""
    if column.dtype == pl.Date:
        return column.cast(VALUES[ValueType.UNIX_TIMESTAMP])
    return column.cast(VALUES[ValueType.UNIX_TIMESTAMP_LIST]) if column.dtype == pl.List(pl.Date) else column


def _keys(frame: pl.DataFrame, view: FeatureView, version: int) -> list[bytes]:
    names: Sequence[str] = [column.name for column in view.entity_columns]
    columns = [
        python_values_to_proto_values(
            frame[column.name].to_list() if column.name in frame.columns else [""] * frame.height,
            column.dtype.to_value_type(),
        )
        for column in view.entity_columns
    ]
    rows = zip(*columns, strict=True)
    return [serialized(EntityKey(join_keys=names, entity_values=row), version) for row in rows]
