"""A feature of every type that Feast holds has one value: in its table, in training and online."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from upath import UPath

import feature_repo as repo
from crypto_features.errors import InputError
from crypto_features.lake.table import Table
from crypto_features.shipped import catalog, daily_candles
from crypto_features.store import FeastResource, feast_objects, parity
from crypto_features.tables.dtypes import SCALARS
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.service import FeatureService
from crypto_features.versions.fingerprint import feature_fingerprints
from crypto_features.versions.provenance import column_digests, content_digest
from tests.redeclared import use

from .conftest import NOW

DAY = timedelta(days=1)
EXPRESSIONS: dict[str, tuple[pl.Expr, object]] = {
    "Float64": (pl.col("close").sqrt() + 0.25, 10.25),
    "Float32": (pl.col("close") / 2, 50.0),
    "Int64": (pl.col("close").cast(pl.Int64), 100),
    "Int32": (-pl.col("open_time").dt.day().cast(pl.Int32), -29),
    "Boolean": (pl.col("close") > 99, True),
    "String": (pl.lit("up"), "up"),
    "Binary": (pl.lit(b"\x00\xff"), b"\x00\xff"),
    "Date": (pl.col("open_time").dt.date(), date(2024, 2, 29)),
    "Datetime": (pl.col("open_time"), datetime(2024, 2, 29, tzinfo=UTC)),
}
"""An expression of each type, and its value on 29 February 2024."""


def typed() -> FeatureGroup:
    declared = [(str(dtype.base_type()), dtype, *EXPRESSIONS[str(dtype.base_type())]) for dtype in SCALARS]
    scalars = [Feature(name, expression, "", "", dtype=dtype) for name, dtype, expression, _ in declared]
    lists = [
        Feature(f"{name}_list", pl.concat_list(expression, expression), "", "", dtype=pl.List(dtype))
        for name, dtype, expression, _ in declared
    ]
    return FeatureGroup("typed", bars=daily_candles, ttl=DAY, features=(*scalars, *lists))


def rows() -> pl.DataFrame:
    opens = pl.datetime_range(NOW - 40 * DAY, NOW, "1d", time_unit="us", eager=True).dt.truncate("1d")
    days = pl.DataFrame({"symbol": "BTC", "open_time": opens.head(-1), "close": 100.0})
    frames = [compute_partition(typed(), {"daily_candles": days}, month, interval=DAY) for month in ("2024-02",)]
    return pl.concat(frames)


def test_every_type_has_one_value_in_the_table_in_training_and_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, table = typed(), rows()
    assert dict(table.schema)["Datetime_list"] == pl.List(pl.Datetime("us", "UTC"))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    names = tuple(feature.name for feature in group.features)
    use(monkeypatch, group, FeatureService("all_types", "", {"typed": names}))
    monkeypatch.setattr(feast_objects, "feature_versions", lambda _: dict.fromkeys([*names, *_names()], "1"))
    monkeypatch.setattr(feast_objects, "table_version", lambda _: "1")
    data = tmp_path / "data"
    stored = Table(UPath(data), "typed", "event_timestamp")
    stored.update("2024-02", lambda _: (table.with_columns(created_timestamp=pl.col("event_timestamp")), {}))
    resource = FeastResource()
    resource.apply()
    resource.materialize("typed", NOW, NOW)
    assert parity("typed").differences == ()
    trained = repo.get_training_features(repo.create_entity_df(["BTC"], NOW, NOW), "all_types")
    online = repo.get_online_features(["BTC"], "all_types")
    for name, (_, value) in EXPRESSIONS.items():
        midnight = datetime(2024, 2, 29, tzinfo=UTC) if name == "Date" else value
        assert online[name] == [midnight], name
        assert online[f"{name}_list"] == [[midnight, midnight]], name
        assert trained[name][0] == value, name
        assert [plain(one) for one in trained[f"{name}_list"][0]] == [value, value], name


def plain(value: object) -> object:
    return pd.Timestamp(value, tz="UTC").to_pydatetime() if isinstance(value, np.datetime64) else value


def _names() -> list[str]:
    return [feature.name for group in catalog.groups.values() for feature in group.features]


def test_a_table_of_every_type_has_digests_that_tell_values_apart() -> None:
    table = rows()
    before = column_digests(table)
    reversed_ = table.select(pl.all().reverse())
    shortened = table.select(pl.all().exclude("symbol", "event_timestamp").shift(1))
    assert column_digests(table.clone()) == before
    for name, digest in column_digests(shortened).items():
        assert digest != before[name], name
    assert column_digests(reversed_)["Date"] != before["Date"]


def test_lists_that_divide_one_sequence_otherwise_have_other_digests() -> None:
    values: list[list[object]] = [[[1.0], [2.0, 3.0]], [[1.0, 2.0], [3.0]], [[], [1.0]], [None, [1.0]]]
    frames = [pl.DataFrame({"x": rows}, schema={"x": pl.List(pl.Float64)}) for rows in values]
    assert len({column_digests(frame)["x"] for frame in frames}) == len(values)
    assert len({content_digest(frame) for frame in frames}) == len(values)


def test_every_type_has_a_version_that_follows_its_values() -> None:
    versions = feature_fingerprints(typed())
    assert len(versions) == 2 * len(SCALARS)
    other = Feature("Float64_list", pl.concat_list(pl.col("close"), pl.col("open")), "", "", dtype=pl.List(pl.Float64))
    group = typed()
    changed = replace(group, features=(*group.features[:9], other, *group.features[10:]))
    assert {n for n, v in feature_fingerprints(changed).items() if v != versions[n]} == {"Float64_list"}


@pytest.mark.parametrize(
    "dtype", [pl.UInt8, pl.Int8, pl.Decimal(10, 2), pl.Duration, pl.Categorical, pl.Time, pl.Object]
)
def test_a_type_that_feast_does_not_hold_is_refused_where_it_is_declared(dtype: pl.DataType) -> None:
    for refused in (dtype, pl.List(dtype), pl.List(pl.List(pl.Float64))):
        with pytest.raises(InputError, match=r"x declares dtype=.* which Feast does not hold; choose pl.Float64"):
            Feature("x", pl.col("close"), "", "", dtype=refused)
