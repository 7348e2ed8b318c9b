"""Cases of Feast's own suite for offline stores that the other tests do not hold already."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureService, Field, FileSource, PushSource, RequestSource
from feast import types as feast_types
from feast.data_source import PushMode
from feast.errors import RequestDataNotFoundInEntityDfException
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view

from crypto_features.store.offline.store import PolarsOfflineStore
from tests.store import factory

HOUR = factory.hour
PRICES = {"price": pl.Float64, "count": pl.Int64, "label": pl.String, "up": pl.Boolean}
VALUES = {"price": 1.5, "count": 3, "label": "BULL", "up": True}
ENTITY = pd.DataFrame({"symbol": ["BTC"], "event_timestamp": [HOUR(1)]})


@pytest.fixture
def feast(tmp_path: Path) -> Any:
    row = {"symbol": "BTC", "event_timestamp": HOUR(1), "created_timestamp": HOUR(1), **VALUES}
    factory.table(tmp_path, "prices", pl.DataFrame([row]))
    return factory.store(tmp_path, [factory.view(tmp_path, "prices", PRICES)])


@pytest.fixture
def orders(feast: Any) -> Any:
    amount = RequestSource(name="order", schema=[Field(name="amount", dtype=feast_types.Float64)])

    @on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast has no types.
        sources=[feast.get_feature_view("prices"), amount],
        schema=[Field(name=name, dtype=feast_types.Float64) for name in ("cost", "fee")],
        mode="pandas",
    )
    def orders(inputs: pd.DataFrame) -> pd.DataFrame:
        cost = inputs["price"] * inputs["amount"]
        return pd.DataFrame({"cost": cost, "fee": cost / 10})

    feast.apply([orders])
    return feast.get_on_demand_feature_view("orders")


def test_two_views_share_one_source(feast: Any, tmp_path: Path) -> None:
    other = factory.view(tmp_path, "others", {"count": pl.Int64})
    other.batch_source = feast.get_data_source("prices_source")
    feast.apply([other])
    joined = feast.get_historical_features(ENTITY, ["prices:price", "others:count"], full_feature_names=True).to_df()
    assert joined.iloc[0, 2:].tolist() == [1.5, 3]


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_request_data_that_is_missing_is_named(feast: Any, orders: Any) -> None:
    with pytest.raises(RequestDataNotFoundInEntityDfException, match="amount"):
        feast.get_historical_features(ENTITY, ["orders:cost"]).to_df()


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_a_service_may_choose_of_an_on_demand_view(feast: Any, orders: Any) -> None:
    service = FeatureService(name="chosen", features=[orders[["fee"]]])
    feast.apply([service])
    joined = feast.get_historical_features(ENTITY.assign(amount=[4.0]), service).to_df()
    # Feast's own stores, too, return the inputs beside it.
    assert set(joined.columns) == {"symbol", "event_timestamp", "amount", *VALUES, "fee"}
    assert joined["fee"].tolist() == [pytest.approx(0.6)]


def test_every_type_comes_back_as_it_was_written(feast: Any) -> None:
    job = feast.get_historical_features(ENTITY, [f"prices:{name}" for name in VALUES])
    assert job.to_df().iloc[0, 2:].to_dict() == VALUES
    types = {field.name: field.type for field in job.to_arrow().schema}
    assert (types["price"], types["count"], types["up"]) == (pa.float64(), pa.int64(), pa.bool_())


def test_pushed_rows_are_read_back(feast: Any, tmp_path: Path) -> None:
    pushed = factory.view(tmp_path, "pushed", PRICES)
    batch = FileSource(name="batch", path=f"{tmp_path}/prices", timestamp_field="event_timestamp")
    push = PushSource(name="push", batch_source=batch)
    pushed.stream_source, pushed.batch_source = push, batch
    feast.apply([push, batch, pushed])
    row = {"symbol": "BTC", "event_timestamp": HOUR(2), "created_timestamp": HOUR(2), **VALUES, "price": 2.0}
    feast.push("push", pd.DataFrame([row]), to=PushMode.OFFLINE)
    later = ENTITY.assign(event_timestamp=HOUR(3))
    assert feast.get_historical_features(later, ["pushed:price"]).to_df()["price"].tolist() == [2.0]


@pytest.mark.parametrize("partition_by", [None, ["__log_date"]])
def test_features_that_were_served_are_logged_and_read_back(
    feast: Any, tmp_path: Path, partition_by: list[str] | None
) -> None:
    destination = FileLoggingDestination(path=str(tmp_path / "logs"), partition_by=partition_by)
    prices = feast.get_feature_view("prices")
    service = FeatureService(
        name="served", features=[prices[["price"]]], logging_config=LoggingConfig(destination=destination)
    )
    feast.apply([service])
    times = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2)]
    log = pa.table(
        {
            "symbol": ["BTC", "ETH"],
            "prices__price": [1.5, None],
            "prices__price__timestamp": pa.array([HOUR(1), None], pa.timestamp("us", "UTC")),
            "prices__price__status": pa.array([1, 2], pa.int32()),
            "__request_id": ["a", "b"],
            "__log_timestamp": pa.array(times, pa.timestamp("us", "UTC")),
            "__log_date": [date(2024, 1, 1), date(2024, 1, 2)],
        }
    )
    (tmp_path / "batch").mkdir()
    pq.write_table(log.slice(1), tmp_path / "batch" / "0.parquet")
    for logs in (log.slice(0, 1), tmp_path / "batch"):
        feast.write_logged_features(logs, service)
    read = feast._get_provider().retrieve_feature_service_logs(
        service, times[0], times[1], feast.config, feast.registry
    )
    found = pl.DataFrame(read.to_arrow()).sort("__request_id")
    assert found["symbol"].to_list() == ["BTC", "ETH"]
    assert found["prices__price"].to_list() == [1.5, None]
    assert found["prices__price__status"].to_list() == [1, 2]
    assert len({file.parent for file in (tmp_path / "logs").rglob("*.parquet")}) == (2 if partition_by else 1)


def test_a_saved_folder_of_many_files_is_replaced_whole(feast: Any, tmp_path: Path) -> None:
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved"))
    for name in ("a", "b/c"):
        (tmp_path / "saved" / name).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"old": [1]}).write_parquet(tmp_path / "saved" / f"{name}.parquet")
    for _ in range(2):
        feast.get_historical_features(ENTITY, ["prices:price"]).persist(storage, allow_overwrite=True)
        assert pl.read_parquet(tmp_path / "saved")["price"].to_list() == [1.5]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_newest_time_is_told_and_monitoring_figures_are_said_not_to_be_kept(feast: Any) -> None:
    source = feast.get_data_source("prices_source")
    assert PolarsOfflineStore.get_monitoring_max_timestamp(feast.config, source, "event_timestamp") == HOUR(1)
    with pytest.raises(NotImplementedError, match="keeps no monitoring figures"):
        PolarsOfflineStore().ensure_monitoring_tables(feast.config)
