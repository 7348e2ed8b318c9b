"""Packs the rows of a Polars frame for the online store, without a protobuf a value."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from feast import FeatureView
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType

from crypto_features.store.fit import fitted
from crypto_features.store.offline.join import as_utc
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.packing import packer
from crypto_features.store.online.request import entity_keys
from crypto_features.store.tags import carried
from crypto_features.tables.dtypes import TIME
from crypto_features_reader.budget import FIELD, PARTIAL
from crypto_features_reader.unpacking import kind_of

_SCALARS: dict[ValueType, pl.DataType] = {
    ValueType.DOUBLE: pl.Float64(),
    ValueType.FLOAT: pl.Float32(),
    ValueType.INT64: pl.Int64(),
    ValueType.INT32: pl.Int32(),
    ValueType.BOOL: pl.Boolean(),
    ValueType.STRING: pl.String(),
    ValueType.BYTES: pl.Binary(),
    ValueType.UNIX_TIMESTAMP: TIME,
}
VALUES = {**_SCALARS, **{ValueType[f"{kind.name}_LIST"]: pl.List(dtype) for kind, dtype in _SCALARS.items()}}
"""The column type of each value type that a table may have."""


def packed_rows(
    frame: pl.DataFrame,
    view: FeatureView,
    version: int,
    heard: Sequence[bytes | None] | None = None,
    partial: Sequence[bool] | None = None,
) -> list[StoredRow]:
    """One packed row for each row of a frame: join keys, features, what else the view's rows carry, and its times.

    Args:
        frame: The rows.
        view: Whose they are.
        version: Of the serialization of entity keys.
        heard: What `budget.packed` gives of each row, of a live publish.
        partial: Whether each row lacks symbols that it compares, of a live publish.
    """
    fields = {field.name: field.dtype.to_value_type() for field in view.features}
    kinds = tuple(kind_of(value_type.name) for value_type in fields.values())
    columns = [
        _values(frame[name], kind, value_type) for (name, value_type), kind in zip(fields.items(), kinds, strict=True)
    ]
    shares = carried(view)
    columns += [frame[name].cast(pl.Float64).to_list() for name in shares]
    names, kinds = (*fields, *shares), (*kinds, *["double_val"] * len(shares))
    if heard is not None:
        names, kinds, columns = (*names, FIELD), (*kinds, "value"), [*columns, [*heard]]
    if partial is not None:
        names, kinds, columns = (*names, PARTIAL), (*kinds, "bool_val"), [*columns, [*partial]]
    pack = packer(names, kinds)
    rows = zip(*columns, strict=True) if columns else iter([()] * frame.height)
    entities = {
        column.name: frame[column.name].to_list() if column.name in frame.columns else [""] * frame.height
        for column in view.entity_columns
    }
    keys, _ = entity_keys(view, entities, version)
    events = _micros(frame, view.batch_source.timestamp_field)
    stamps = _micros(frame, view.batch_source.created_timestamp_column)
    return [
        StoredRow(*row, pack(values)) for row, values in zip(zip(keys, events, stamps, strict=True), rows, strict=True)
    ]


def _micros(frame: pl.DataFrame, time: str | None) -> list[int]:
    """A time column in microseconds since 1970 UTC; 0 where there is none."""
    if not time:
        return [0] * frame.height
    return [moment or 0 for moment in as_utc(frame[time]).to_physical().to_list()]


def _values(column: pl.Series, kind: str, value_type: ValueType) -> list[Any]:
    if kind != "value":
        return fitted(column, VALUES[value_type]).to_list()
    protos = python_values_to_proto_values(dates_as_times(column).to_list(), value_type)
    return [proto.SerializeToString() if proto.WhichOneof("val") else None for proto in protos]


def dates_as_times(column: pl.Series) -> pl.Series:
    """Dates, or lists of them, as their midnights, which is what Feast holds of a date."""
    if column.dtype == pl.Date:
        return column.cast(VALUES[ValueType.UNIX_TIMESTAMP])
    return column.cast(VALUES[ValueType.UNIX_TIMESTAMP_LIST]) if column.dtype == pl.List(pl.Date) else column
