"""Feast's cases for files, folders and spans, retold: what is written is read back, whatever units and zones it has."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore

from crypto_features.errors import InputError
from crypto_features.store.errors import OutdatedTableError
from crypto_features.store.offline.store import PolarsOfflineStore
from tests.store import factory

HOUR = factory.hour
REFS = ["prices:price"]
SEOUL = timezone(timedelta(hours=9))
STAMPS = [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Asia/Seoul")]


def write(path: Path, hours: list[int], stamp: pa.DataType, price: pa.DataType = pa.float64()) -> None:  # noqa: B008 - immutable.
    path.parent.mkdir(exist_ok=True)
    naive = stamp.tz is None
    times = pa.array([HOUR(hour).replace(tzinfo=None) if naive else HOUR(hour) for hour in hours], stamp)
    prices = pa.array([float(hour) for hour in hours]).cast(price)
    pq.write_table(
        pa.table(
            {"symbol": ["BTC"] * len(hours), "event_timestamp": times, "created_timestamp": times, "price": prices}
        ),
        path,
    )


def opened(folder: Path, path: str | None = None) -> Any:
    return factory.store(folder, [factory.view(folder, "prices", {"price": pl.Float64}, path=path)])


def prices(feast: FeatureStore, *hours: float) -> list[Any]:
    asked = pd.DataFrame({"symbol": "BTC", "event_timestamp": [HOUR(hour) for hour in hours]})
    found: list[Any] = feast.get_historical_features(asked, REFS).to_df()["price"].tolist()
    return found


def new(hour: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"symbol": ["BTC"], "event_timestamp": [HOUR(hour)], "created_timestamp": [HOUR(hour)], "price": [float(hour)]}
    )


@pytest.mark.parametrize("stamp", STAMPS, ids=str)
@pytest.mark.parametrize("path", ["prices", "prices/old.parquet"])
def test_rows_that_are_added_have_the_types_of_the_place_and_are_read_with_the_old_ones(
    tmp_path: Path, stamp: pa.DataType, path: str
) -> None:
    write(tmp_path / "prices" / "old.parquet", [1], stamp)
    feast = opened(tmp_path, str(tmp_path / path))
    feast.write_to_offline_store("prices", new(2))
    feast.write_to_offline_store("prices", new(3))
    assert prices(feast, 1, 2, 3) == [1.0, 2.0, 3.0]
    added = [file for file in (tmp_path / "prices").iterdir() if path != "prices" or file.stem != "old"]
    assert len(added) == (2 if path == "prices" else 1)
    # Parquet itself keeps the instant and that it is one, and no zone.
    expected = pl.Datetime(stamp.unit, "UTC" if stamp.tz else None)
    assert {pl.read_parquet_schema(file)["event_timestamp"] for file in added} == {expected}


def test_files_of_several_units_and_zones_are_one_table(tmp_path: Path) -> None:
    for number, stamp in enumerate(STAMPS):
        write(tmp_path / "prices" / f"{number}.parquet", [number], stamp)
    feast = opened(tmp_path)
    hours = range(len(STAMPS))
    assert prices(feast, *hours) == [float(hour) for hour in hours]
    everyone = feast.get_historical_features(features=REFS, start_date=HOUR(0), end_date=HOUR(4)).to_df()
    assert everyone["price"].tolist() == [4.0]


def test_an_added_value_that_does_not_fit_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path / "prices" / "old.parquet", [1], pa.timestamp("us", "UTC"), pa.int32())
    feast = opened(tmp_path)
    with pytest.raises(InputError, match=r"the column 'price' holds 2\.5, which does not fit into Int32"):
        feast.write_to_offline_store("prices", new(2).assign(price=2.5))
    feast.write_to_offline_store("prices", new(2))
    assert prices(feast, 1, 2) == [1, 2]


def test_files_of_several_types_of_a_feature_are_still_refused_with_advice_for_whoever_owns_them(
    tmp_path: Path,
) -> None:
    write(tmp_path / "prices" / "0.parquet", [0], pa.timestamp("us", "UTC"), pa.int64())
    write(tmp_path / "prices" / "1.parquet", [1], pa.timestamp("us", "UTC"))
    with pytest.raises(OutdatedTableError, match=r"'price' as Float64.*hold it as Int64.*table of your own"):
        prices(opened(tmp_path), 0, 1)


@pytest.mark.parametrize("column", ["event_timestamp", "created_timestamp"])
@pytest.mark.parametrize(
    "values",
    [["2024-01-01T01:00:00Z"], [1_704_070_800_000], [1_704_070_800.5], [True]],
    ids=lambda v: type(v[0]).__name__,
)
def test_stamps_that_are_no_timestamps_are_named_with_column_and_file(
    tmp_path: Path, column: str, values: list[Any]
) -> None:
    path = tmp_path / "prices" / "own.parquet"
    path.parent.mkdir()
    table = new(1)
    table[column] = values
    table.to_parquet(path)
    feast = opened(tmp_path)
    source, span = feast.get_data_source("prices_source"), (HOUR(0), HOUR(2))
    columns = (["symbol"], ["price"], "event_timestamp", "created_timestamp")
    reads: list[Callable[[], object]] = [
        lambda: prices(feast, 1),
        lambda: feast.materialize(*span),
        lambda: PolarsOfflineStore.pull_all_from_table_or_query(feast.config, source, *columns, *span).to_arrow(),
        lambda: feast.get_historical_features(features=REFS, end_date=HOUR(2)).to_df(),
    ]
    for read in reads:
        with pytest.raises(InputError, match=rf"own\.parquet: the column '{column}' holds .*; expected timestamps"):
            read()


@pytest.mark.parametrize("zone", [UTC, SEOUL, ZoneInfo("America/New_York"), None], ids=str)
def test_bounds_of_every_zone_mean_their_instant(tmp_path: Path, zone: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", HOUR(9).isoformat())

    def bound(hour: int) -> datetime:
        return HOUR(hour).astimezone(zone) if zone else HOUR(hour).replace(tzinfo=None)

    write(tmp_path / "prices" / "0.parquet", [1, 2, 3, 4], pa.timestamp("us", "UTC"))
    feast = opened(tmp_path)
    source = feast.get_data_source("prices_source")
    columns = (["symbol"], ["price"], "event_timestamp", "created_timestamp")
    span = bound(2), bound(3)
    pulled = PolarsOfflineStore.pull_all_from_table_or_query(feast.config, source, *columns, *span).to_df()
    assert sorted(pulled["price"]) == [2.0, 3.0]
    latest = PolarsOfflineStore.pull_latest_from_table_or_query(feast.config, source, *columns, *span).to_df()
    assert latest["price"].tolist() == [3.0]
    everyone = feast.get_historical_features(features=REFS, start_date=bound(1), end_date=bound(2)).to_df()
    assert everyone["price"].tolist() == [2.0]
    assert everyone["event_timestamp"].tolist() == [HOUR(2)]
    for publish, hour in ((lambda end: feast.materialize(bound(1), end), 3), (feast.materialize_incremental, 4)):
        publish(bound(hour))
        assert feast.get_online_features(REFS, {"symbol": ["BTC"]}).to_dict()["price"] == [float(hour)]
        assert feast.get_feature_view("prices").most_recent_end_time == HOUR(hour)


@pytest.mark.parametrize("path", ["prices", "prices/old.parquet"])
@pytest.mark.parametrize(
    "kind", [pa.string(), pa.float64(), pa.int16(), pa.timestamp("us", "UTC"), pa.binary(), pa.bool_()], ids=str
)
def test_rows_are_added_to_lists_whose_values_a_file_calls_element(
    tmp_path: Path, kind: pa.DataType, path: str
) -> None:
    values = {pa.string(): ["a", "b"], pa.binary(): [b"a", b"b"], pa.timestamp("us", "UTC"): [HOUR(1), HOUR(2)]}
    lists = pa.array([values.get(kind, [True, False] if kind == pa.bool_() else [1, 0])], pa.list_(kind))
    (tmp_path / "prices").mkdir()
    pq.write_table(
        pa.table(new(1).drop(columns="price")).append_column("price", lists), tmp_path / "prices/old.parquet"
    )
    assert "list<element: " in str(pq.read_schema(tmp_path / "prices/old.parquet").field("price").type)
    feast = opened(tmp_path, str(tmp_path / path))
    feast.write_to_offline_store("prices", new(2).assign(price=[lists[0].as_py()[::-1]]))
    first, second = (list(found) for found in prices(feast, 1, 2))
    assert first == second[::-1]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("created", [True, False])
def test_of_rows_within_a_microsecond_the_same_one_wins_offline_and_online(
    tmp_path: Path, zone: str | None, *, created: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", HOUR(9).isoformat())
    hour, stamp = int(HOUR(1).timestamp()) * 10**9, pa.timestamp("ns", zone)
    columns = {"event_timestamp": pa.array([hour + 900, hour + 200, hour + 400]).cast(stamp)}
    if created:
        columns["created_timestamp"] = pa.array([hour, hour + 10**9 + 700, hour + 10**9 + 300]).cast(stamp)
    (tmp_path / "prices").mkdir()
    rows = pa.table({"symbol": ["BTC"] * 3, "price": [1.0, 2.0, 3.0], **columns})
    pq.write_table(rows, tmp_path / "prices" / "own.parquet")
    feast = factory.store(tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64}, created=created)])
    feast.materialize(HOUR(0), HOUR(1))
    online = feast.get_online_features(REFS, [{"symbol": "BTC"}]).to_dict()["price"]
    everyone = feast.get_historical_features(features=REFS, start_date=HOUR(0), end_date=HOUR(1)).to_df()
    assert online == prices(feast, 1) == everyone["price"].tolist() == [3.0]
