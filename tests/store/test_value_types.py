"""Feast's universal cases for value types, retold: offline, published, written directly, and in files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast import types as feast_types
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import DoubleList, Value

from crypto_features.errors import InputError
from tests.store import factory

NOW = datetime(2024, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Case(NamedTuple):
    """A type of Feast, the Arrow type of its files, and a value."""

    feast: Any
    arrow: pa.DataType
    value: Any


SCALARS = {
    "int32": Case(feast_types.Int32, pa.int32(), -(2**31)),
    "int64": Case(feast_types.Int64, pa.int64(), 2**63 - 1),
    "float32": Case(feast_types.Float32, pa.float32(), float(np.float32(0.1))),
    "float64": Case(feast_types.Float64, pa.float64(), 0.1),
    "string": Case(feast_types.String, pa.string(), "BULL ₿"),
    "bytes": Case(feast_types.Bytes, pa.binary(), b"\x00\xff"),
    "bool": Case(feast_types.Bool, pa.bool_(), value=True),
    "time": Case(feast_types.UnixTimestamp, pa.timestamp("us", "UTC"), datetime(2024, 1, 1, 5, tzinfo=UTC)),
}
LISTS = {
    f"{name}_list": Case(feast_types.Array(case.feast), pa.list_(case.arrow), [case.value, case.value])
    for name, case in SCALARS.items()
}
TYPES = {**SCALARS, **LISTS}
REFS = [f"kinds:{name}" for name in TYPES]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


def view(path: Path, entity: Entity = factory.SYMBOL, **types: Any) -> FeatureView:
    return FeatureView(
        name="kinds",
        entities=[entity],
        ttl=DAY,
        schema=[
            Field(name=entity.join_key, dtype=feast_types.from_value_type(entity.value_type)),
            *(Field(name=name, dtype=dtype) for name, dtype in types.items()),
        ],
        source=FileSource(name="kinds_source", path=str(path), timestamp_field="event_timestamp"),
    )


def write(path: Path, keys: pa.Array, columns: dict[str, pa.Array]) -> None:
    times = pa.array([NOW] * len(keys), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"symbol": keys, "event_timestamp": times, **columns}), path)


@pytest.fixture
def feast(tmp_path: Path) -> FeatureStore:
    """A view with a feature of each type: BTC has values, ETH nulls."""
    columns = {name: pa.array([case.value, None], case.arrow) for name, case in TYPES.items()}
    write(tmp_path / "kinds.parquet", pa.array(["BTC", "ETH"]), columns)
    return factory.store(
        tmp_path, [view(tmp_path / "kinds.parquet", **{name: case.feast for name, case in TYPES.items()})]
    )


def asked(*symbols: object) -> pd.DataFrame:
    return pd.DataFrame({"symbol": symbols, "event_timestamp": NOW})


def test_every_type_is_retrieved_as_the_type_and_the_value_of_its_file(feast: FeatureStore) -> None:
    found = feast.get_historical_features(asked("BTC", "ETH", "NEW"), REFS).to_arrow()
    for name, case in TYPES.items():
        assert found.schema.field(name).type == case.arrow, name
        assert found[name].to_pylist() == [case.value, None, None], name


def test_every_type_is_published_and_read_online(feast: FeatureStore) -> None:
    feast.materialize(NOW - DAY, NOW)
    found = feast.get_online_features(REFS, {"symbol": ["BTC", "ETH"]}).to_dict()
    for name, case in TYPES.items():
        assert found[name] == [case.value, None], name


def test_every_type_that_is_written_directly_is_read_online(feast: FeatureStore) -> None:
    row = {"symbol": ["BTC"], "event_timestamp": [NOW], **{name: [case.value] for name, case in TYPES.items()}}
    feast.write_to_online_store("kinds", pd.DataFrame(row))
    found = feast.get_online_features(REFS, {"symbol": ["BTC"]}).to_dict()
    for name, case in TYPES.items():
        assert found[name] == [case.value], name


@pytest.mark.filterwarnings("ignore:Saving dataset is an experimental:RuntimeWarning")
def test_a_view_is_applied_over_a_file_that_was_written_here(tmp_path: Path, feast: FeatureStore) -> None:
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet"))
    feast.get_historical_features(asked("BTC"), REFS).persist(storage)
    again = FeatureView(
        name="again",
        entities=[factory.SYMBOL],
        source=FileSource(name="again", path=str(tmp_path / "saved.parquet"), timestamp_field="event_timestamp"),
    )
    feast.apply([again])  # Feast infers the types of its features from the file.
    inferred = {field.name: field.dtype for field in feast.get_feature_view("again").features}
    assert inferred == {name: case.feast for name, case in TYPES.items()}
    refs = [f"again:{name}" for name in TYPES]
    found = feast.get_historical_features(asked("BTC"), refs).to_arrow()
    assert {name: found[name].to_pylist() for name in TYPES} == {name: [case.value] for name, case in TYPES.items()}


@pytest.mark.parametrize(
    ("value_type", "arrow", "keys"),
    [
        (ValueType.STRING, pa.string(), ["a", "b"]),
        (ValueType.INT64, pa.int64(), [1, 2**62]),
        (ValueType.INT32, pa.int32(), [1, 2]),
    ],
)
def test_entities_of_every_type_are_joined_published_and_read(
    tmp_path: Path, value_type: ValueType, arrow: pa.DataType, keys: list[Any]
) -> None:
    entity = Entity(name="symbol", join_keys=["symbol"], value_type=value_type)
    write(tmp_path / "kinds.parquet", pa.array(keys, arrow), {"price": pa.array([1.5, 2.5])})
    feast = FeatureStore(config=factory.config(tmp_path))
    feast.apply([entity, view(tmp_path / "kinds.parquet", entity, price=feast_types.Float64)])
    assert feast.get_historical_features(asked(*keys), ["kinds:price"]).to_df()["price"].tolist() == [1.5, 2.5]
    feast.materialize(NOW - DAY, NOW)
    assert feast.get_online_features(["kinds:price"], {"symbol": keys}).to_dict()["price"] == [1.5, 2.5]


def test_an_entity_column_that_cannot_be_compared_is_named(tmp_path: Path) -> None:
    write(tmp_path / "kinds.parquet", pa.array([1, 2]), {"price": pa.array([1.5, 2.5])})
    entity = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.INT64)
    feast = FeatureStore(config=factory.config(tmp_path))
    feast.apply([entity, view(tmp_path / "kinds.parquet", entity, price=feast_types.Float64)])
    with pytest.raises(InputError, match="the entity column 'symbol' holds String, its feature table Int64"):
        feast.get_historical_features(asked("BTC"), ["kinds:price"]).to_df()


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("float32", Value(double_val=0.1), float(np.float32(0.1))),
        ("float32", Value(int64_val=3), 3.0),
        ("float64", Value(float_val=0.5), 0.5),
        ("float64", Value(int32_val=3), 3.0),
        ("int64", Value(int32_val=3), 3),
        ("int64", Value(double_val=3.0), 3),
        ("int64", Value(double_val=float("nan")), None),
        ("int32", Value(int64_val=3), 3),
        ("bool", Value(int64_val=1), True),
        ("time", Value(int64_val=1_704_067_200), datetime(2024, 1, 1, tzinfo=UTC)),
        ("float32_list", Value(double_list_val=DoubleList(val=[0.5, 2.0])), [0.5, 2.0]),
        ("int64_list", Value(double_list_val=DoubleList(val=[2.0])), [2]),
        ("float64", Value(), None),
    ],
)
def test_a_value_in_another_field_of_the_protobuf_is_converted_by_the_schema(
    feast: FeatureStore, kind: str, given: Value, expected: object
) -> None:
    put(feast, kind, given)
    assert feast.get_online_features([f"kinds:{kind}"], {"symbol": ["BTC"]}).to_dict()[kind] == [expected]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("int64", Value(double_val=1.5)),
        ("int32", Value(int64_val=2**31)),
        ("float32", Value(double_val=1e300)),
        ("bool", Value(int64_val=2)),
        ("float64", Value(string_val="1.5")),
        ("string", Value(double_val=1.5)),
        ("bytes", Value(string_val="x")),
        ("int64_list", Value(double_list_val=DoubleList(val=[1.5]))),
        ("int64_list", Value(int64_val=1)),
        ("int64", Value(double_list_val=DoubleList(val=[1.0]))),
    ],
)
def test_a_value_that_its_type_does_not_hold_is_refused_by_name(feast: FeatureStore, kind: str, given: Value) -> None:
    with pytest.raises(InputError, match=f"'{kind}' is declared as"):
        put(feast, kind, given)
    assert feast.get_online_features([f"kinds:{kind}"], {"symbol": ["BTC"]}).to_dict()[kind] == [None]


def put(feast: FeatureStore, kind: str, value: Value) -> None:
    key = EntityKey(join_keys=["symbol"], entity_values=[Value(string_val="BTC")])
    online = feast._get_provider().online_store
    online.online_write_batch(feast.config, feast.get_feature_view("kinds"), [(key, {kind: value}, NOW, NOW)], None)


@pytest.mark.parametrize(
    ("kind", "column", "expected"),
    [
        ("float32", pa.array([0.1]), float(np.float32(0.1))),
        ("float64", pa.array([3]), 3.0),
        ("int64", pa.array([3.0]), 3),
        ("int64", pa.array([1.5]), None),
        ("int32", pa.array([2**31]), None),
        ("float64", pa.array(["1.5"]), None),
    ],
)
def test_a_file_of_another_type_is_published_by_the_schema_or_refused(
    tmp_path: Path, kind: str, column: pa.Array, expected: object
) -> None:
    write(tmp_path / "kinds.parquet", pa.array(["BTC"]), {"price": column})
    feast = FeatureStore(config=factory.config(tmp_path))
    feast.apply([factory.SYMBOL, view(tmp_path / "kinds.parquet", price=SCALARS[kind].feast)])
    if expected is None:
        with pytest.raises(InputError, match="the column 'price' holds"):
            feast.materialize(NOW - DAY, NOW)
    else:
        feast.materialize(NOW - DAY, NOW)
    assert feast.get_online_features(["kinds:price"], {"symbol": ["BTC"]}).to_dict()["price"] == [expected]


def test_a_list_of_lists_of_a_result_is_no_large_list(tmp_path: Path) -> None:
    nested = pa.array([[[1.0], [2.0]]], pa.list_(pa.list_(pa.float64())))
    write(tmp_path / "kinds.parquet", pa.array(["BTC"]), {"nested": nested})
    feast = factory.store(
        tmp_path, [view(tmp_path / "kinds.parquet", nested=feast_types.Array(feast_types.Array(feast_types.Float64)))]
    )
    found = feast.get_historical_features(asked("BTC"), ["kinds:nested"]).to_arrow()
    assert found.schema.field("nested").type == nested.type
    assert pl.DataFrame(found)["nested"].to_list() == [[[1.0], [2.0]]]
