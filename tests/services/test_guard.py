"""What Feast answers on the guarded store, on each database; plain Feast fails most of these."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from feast import FeatureService, FeatureStore, FeatureView, Field, RequestSource
from feast import types as feast_types
from feast.on_demand_feature_view import on_demand_feature_view
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from crypto_features.errors import InputError
from crypto_features.store import registered
from crypto_features.store.online.answer import summary
from crypto_features.store.online.store import limited_to
from tests.store import factory

NOW = datetime(2024, 1, 2, tzinfo=UTC)
FEATURES = {"price": pl.Float64, "count": pl.Int64, "label": pl.String, "up": pl.Boolean}
REFS = [f"prices:{name}" for name in FEATURES]
VALUES = {"price": 1.5, "count": 3, "label": "BULL", "up": True}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def prices(tmp_path: Path) -> FeatureView:
    return factory.view(tmp_path, "prices", FEATURES, ttl=timedelta(hours=1))


@pytest.fixture
def feast(tmp_path: Path, url: str, prices: FeatureView) -> Iterator[FeatureStore]:
    store = factory.store(tmp_path, [prices], online={"type": factory.ONLINE, "url": url, "grace_seconds": 300})
    yield store
    asyncio.run(store._get_provider().online_store.close())


def publish(feast: FeatureStore, age: timedelta, symbol: str = "BTC", **values: Any) -> None:
    row = {"symbol": symbol, "event_timestamp": NOW - age, "created_timestamp": NOW, **VALUES, **values}
    feast.write_to_online_store("prices", pd.DataFrame([row]))


def read(feast: FeatureStore, *symbols: str) -> tuple[dict[str, list[Any]], list[str]]:
    """Values, and the status of `price` for each symbol."""
    response = feast.get_online_features(REFS, [{"symbol": s} for s in symbols or ("BTC",)])
    names = list(response.proto.metadata.feature_names.val)
    statuses = response.proto.results[names.index("price")].statuses
    return response.to_dict(), [FieldStatus.Name(status) for status in statuses]


def test_values_of_every_type_come_back(feast: FeatureStore) -> None:
    publish(feast, timedelta(0))
    values, statuses = read(feast)
    assert values == {"symbol": ["BTC"], **{name: [value] for name, value in VALUES.items()}}
    assert statuses == ["PRESENT"]


@pytest.mark.parametrize(
    ("age", "status"),
    [(timedelta(minutes=65), "PRESENT"), (timedelta(minutes=65, microseconds=1), "OUTSIDE_MAX_AGE")],
)
def test_a_value_is_served_up_to_ttl_and_grace_and_not_a_microsecond_longer(
    feast: FeatureStore, age: timedelta, status: str
) -> None:
    publish(feast, age)
    values, statuses = read(feast)
    assert statuses == [status]
    assert values["price"] == [1.5 if status == "PRESENT" else None]


def test_a_stricter_age_withholds_more(feast: FeatureStore) -> None:
    publish(feast, timedelta(minutes=10))
    with limited_to(timedelta(minutes=9)):
        assert read(feast)[1] == ["OUTSIDE_MAX_AGE"]
    assert read(feast)[1] == ["PRESENT"]


def test_a_symbol_never_seen_is_not_found_and_a_null_is_said_to_be_one(feast: FeatureStore) -> None:
    publish(feast, timedelta(0), price=None)
    values, statuses = read(feast, "BTC", "NEW")
    assert statuses == ["NULL_VALUE", "NOT_FOUND"]
    assert values["price"] == [None, None]
    assert values["count"] == [3, None]


def test_not_a_number_is_served_as_a_null(tmp_path: Path, feast: FeatureStore) -> None:
    rows = [{"symbol": "BTC", "event_timestamp": NOW, "created_timestamp": NOW, **VALUES, "price": float("nan")}]
    factory.table(tmp_path, "prices", pl.DataFrame(rows))
    feast.materialize(NOW, NOW)
    publish(feast, timedelta(0), symbol="ETH", price=float("nan"))
    values, statuses = read(feast, "BTC", "ETH")
    assert (values["price"], statuses) == ([None, None], ["NULL_VALUE", "NULL_VALUE"])
    assert values["count"] == [3, 3]


def test_a_backfill_does_not_turn_the_store_back(feast: FeatureStore) -> None:
    publish(feast, timedelta(minutes=1), price=2.0)
    publish(feast, timedelta(minutes=30), price=1.0)
    assert read(feast)[0]["price"] == [2.0]


def test_a_row_from_the_future_changes_nothing(feast: FeatureStore) -> None:
    publish(feast, timedelta(0), price=1.0)
    with pytest.raises(InputError, match="later than the clock"):
        publish(feast, timedelta(seconds=-6), price=9.0)
    assert read(feast)[0]["price"] == [1.0]


def test_a_clock_set_back_does_not_serve_what_is_later(feast: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(feast, timedelta(0))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW - timedelta(hours=1)).isoformat())
    assert read(feast)[1] == ["OUTSIDE_MAX_AGE"]


def test_a_process_in_another_time_zone_reads_and_writes_the_same_times(
    feast: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(feast, timedelta(minutes=90))
    try:
        for zone in ("Asia/Seoul", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert read(feast)[1] == ["OUTSIDE_MAX_AGE"]
            publish(feast, timedelta(minutes=90))
            assert read(feast)[1] == ["OUTSIDE_MAX_AGE"]
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


def test_asynchronous_reads_and_single_view_reads_are_guarded_too(feast: FeatureStore) -> None:
    publish(feast, timedelta(hours=2))
    publish(feast, timedelta(0), symbol="ETH")
    rows = [{"symbol": "BTC"}, {"symbol": "ETH"}]
    answer = asyncio.run(feast.get_online_features_async(REFS, rows)).to_dict()
    assert answer["price"] == [None, 1.5]


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_what_an_on_demand_view_computes_from_withheld_values_is_withheld(
    tmp_path: Path, url: str, prices: FeatureView
) -> None:
    amount = RequestSource(name="order", schema=[Field(name="amount", dtype=feast_types.Float64)])

    @on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast has no types.
        sources=[prices, amount], schema=[Field(name="cost", dtype=feast_types.Float64)], mode="python"
    )
    def orders(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        pairs = zip(inputs["price"], inputs["amount"], strict=True)
        # It makes up a number for what is not there, but for a null at hand.
        return {"cost": [None if amount == 0 else (price or 8.0) * amount for price, amount in pairs]}

    feast = factory.store(tmp_path, [prices, orders], online={"type": factory.ONLINE, "url": url, "grace_seconds": 300})
    publish(feast, timedelta(hours=2))
    publish(feast, timedelta(0), symbol="ETH")
    publish(feast, timedelta(0), symbol="XRP", price=None)
    publish(feast, timedelta(0), symbol="OFF")
    feast._get_provider().online_store.backend(feast.config).switch_off("OFF", "test")
    time.sleep(0.6)
    rows = {"symbol": ["BTC", "ETH", "XRP", "NEW", "OFF"], "amount": [2.0, 2.0, 0.0, 2.0, 2.0]}
    expected = ["EXPIRED", "PRESENT", "NULL_VALUE", "NOT_FOUND", "DISABLED"]
    for refs in (["orders:cost", "prices:price"], ["orders:cost"]):
        values, statuses, times = summary(feast.get_online_features(refs, rows), {"symbol"})
        assert values["cost"] == [None, 3.0, None, None, None]
        assert statuses["cost"] == expected
        assert times == {"prices": [NOW - timedelta(hours=2), NOW, NOW, None, NOW]}
    assert asyncio.run(feast.get_online_features_async(["orders:cost"], rows)).to_dict()["cost"][:2] == [None, 3.0]


_ORDER = """
import sys
from pathlib import Path
import polars as pl
from feast import Field, RequestSource
from feast import types as feast_types
from feast.on_demand_feature_view import on_demand_feature_view
from crypto_features.store.online.answer import summary
from tests.store import factory

folder = Path(sys.argv[1])
names = [f"f{n}" for n in range(9)]
views = [factory.view(folder, view, {f"{view}_{n}": pl.Float64 for n in names}) for view in ("a", "b")]
amount = RequestSource(name="order", schema=[Field(name="amount", dtype=feast_types.Float64)])

@on_demand_feature_view(
    sources=[views[0], amount], schema=[Field(name=f"od_{n}", dtype=feast_types.Float64) for n in names], mode="python"
)
def od(inputs):
    return {f"od_f{n}": inputs["amount"] for n in range(9)}

feast = factory.store(folder, [*views, od])
grouped = [f"{view}:{view}_{n}" for view in ("b", "a") for n in names]
mixed = [f"{view}:{view}_{n}" for n in names for view in ("b", "a")]
for refs in (grouped, mixed, [*mixed, *(f"od:od_{n}" for n in names)], [*(f"od:od_{n}" for n in names), *grouped]):
    rows = {"symbol": ["BTC"], **({"amount": [1.0]} if "od:od_f0" in refs else {})}
    for full in (False,) if "amount" in rows else (False, True):  # Feast gives on-demand features short names only.
        response = feast.get_online_features(refs, rows, full_feature_names=full)
        expected = [ref.replace(":", "__") if full else ref.partition(":")[2] for ref in refs]
        values, statuses, _ = summary(response, {"symbol", "amount"})
        for found in (values, statuses, response.to_dict(), response.proto.metadata.feature_names.val):
            assert [name for name in found if name not in ("symbol", "amount")] == expected, list(found)
        assert {len(vector.values) for vector in response.proto.results} == {1}
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_features_come_in_the_order_of_the_request(tmp_path: Path, seed: str) -> None:
    # Feast asks for the source of an on-demand view.
    script = tmp_path / "order.py"
    script.write_text(_ORDER)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, tmp_path],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_materialization_publishes_the_newest_row_of_each_symbol_and_late_ones(
    tmp_path: Path, feast: FeatureStore
) -> None:
    def write(symbols: dict[str, datetime]) -> None:
        rows = [{"symbol": s, "event_timestamp": t, "created_timestamp": t, **VALUES} for s, t in symbols.items()]
        factory.table(tmp_path, "prices", pl.DataFrame(rows))

    write({"BTC": NOW - timedelta(minutes=1)})
    feast.materialize_incremental(NOW)
    write({"BTC": NOW - timedelta(minutes=1), "ETH": NOW - timedelta(minutes=50)})
    feast.materialize_incremental(NOW)
    assert read(feast, "BTC", "ETH")[1] == ["PRESENT", "PRESENT"]


def test_a_materialization_with_an_end_in_the_future_reads_no_future_and_blocks_no_later_one(
    tmp_path: Path, feast: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [NOW, NOW + timedelta(hours=1)]
    rows = [
        {"symbol": "BTC", "event_timestamp": t, "created_timestamp": t, **VALUES, "price": float(n)}
        for n, t in enumerate(times)
    ]
    factory.table(tmp_path, "prices", pl.DataFrame(rows))
    feast.materialize(NOW - timedelta(hours=1), NOW + timedelta(days=999))
    assert read(feast)[0]["price"] == [0.0]
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", times[1].isoformat())
    feast.materialize_incremental(times[1])
    assert read(feast)[0]["price"] == [1.0]


def test_the_registry_does_not_grow_with_every_tick(tmp_path: Path, feast: FeatureStore) -> None:
    rows = [{"symbol": "BTC", "event_timestamp": NOW, "created_timestamp": NOW, **VALUES}]
    factory.table(tmp_path, "prices", pl.DataFrame(rows))
    for tick in range(5):
        feast.materialize(NOW - timedelta(hours=10 - tick), NOW - timedelta(hours=10 - tick), ["prices"])
        assert len(feast.get_feature_view("prices").materialization_intervals) == 1
    feast.materialize(NOW, NOW, ["prices"])
    assert feast.get_feature_view("prices").most_recent_end_time == NOW


def test_an_object_that_is_applied_again_brings_back_no_older_end(feast: FeatureStore) -> None:
    view, project = feast.get_feature_view("prices"), feast.project
    for hours in (3, 2, 1):
        feast.registry.apply_materialization(view, project, NOW - timedelta(hours=9), NOW - timedelta(hours=hours))
        view.description = f"{hours} hours before"
        feast.registry.apply_feature_view(view, project)
    stored = feast.registry.get_feature_view("prices", project)
    assert stored.description == "1 hours before"
    assert stored.materialization_intervals == [(NOW - timedelta(hours=9), NOW - timedelta(hours=1))]


def test_a_view_or_a_symbol_switched_off_is_not_served_anywhere_within_a_second(
    feast: FeatureStore,
) -> None:
    publish(feast, timedelta(0))
    publish(feast, timedelta(0), symbol="ETH")
    other = FeatureStore(config=feast.config)
    assert read(other, "BTC", "ETH")[1] == ["PRESENT", "PRESENT"]
    backend = feast._get_provider().online_store.backend(feast.config)
    for name, expected in (("BTC", ["INVALID", "PRESENT"]), ("prices", ["INVALID", "INVALID"])):
        backend.switch_off(name, "test")
        time.sleep(0.6)
        values, statuses = read(other, "BTC", "ETH")
        assert statuses == expected
        assert values["price"] == [None if status == "INVALID" else 1.5 for status in expected]
        backend.switch_on(name)
    time.sleep(0.6)
    assert read(other, "BTC", "ETH")[1] == ["PRESENT", "PRESENT"]


def test_two_versions_of_a_view_are_served_side_by_side(tmp_path: Path, url: str) -> None:
    online = {"type": factory.ONLINE, "url": url, "grace_seconds": 300}
    versions = {"enable_online_feature_view_versioning": True}
    old = factory.view(tmp_path, "prices", {"price": pl.Float64})
    feast = factory.store(tmp_path, [old], online=online, registry=versions)
    row = {"symbol": "BTC", "event_timestamp": NOW, "created_timestamp": NOW, "price": 1.0, "count": 2}
    feast.write_to_online_store("prices", pd.DataFrame([row]))
    new = factory.view(tmp_path, "prices", {"price": pl.Float64, "count": pl.Int64})
    feast.apply([new])
    feast.refresh_registry()
    feast.write_to_online_store("prices", pd.DataFrame([{**row, "price": 9.0}]))
    refs = ["prices@v0:price", "prices@v1:price", "prices@v1:count"]
    answer = feast.get_online_features(refs, [{"symbol": "BTC"}], full_feature_names=True).to_dict()
    assert answer == {
        "symbol": ["BTC"],
        "prices@v0__price": [1.0],
        "prices@v1__price": [9.0],
        "prices@v1__count": [2],
    }
    feast.apply([FeatureService(name="pinned", features=["prices@v0:price"])])
    feast.refresh_registry()
    assert registered.resolved(feast, "pinned") == ["prices@v0:price"]
    pinned = feast.get_online_features(registered.resolved(feast, "pinned"), [{"symbol": "BTC"}]).to_dict()
    assert pinned["price"] == [1.0]


def behaving(folder: Path, tag: str) -> FeatureView:
    """A view whose feature carries the fingerprint of its behaviour."""
    view = factory.view(folder, "prices", {"price": pl.Float64}, ttl=timedelta(hours=1))
    view.features[0].tags = {"behaviour": tag}
    return view


@pytest.mark.parametrize("lost", ["view", "registry"])
def test_rows_of_another_behaviour_are_not_found_though_versions_are_counted_anew(
    tmp_path: Path, url: str, lost: str
) -> None:
    settings: dict[str, Any] = {
        "online": {"type": factory.ONLINE, "url": url, "grace_seconds": 300},
        "registry": {"enable_online_feature_view_versioning": True},
    }

    def price(store: FeatureStore) -> list[Any]:
        store.refresh_registry()
        found: list[Any] = store.get_online_features(["prices:price"], [{"symbol": "BTC"}]).to_dict()["price"]
        return found

    def write(store: FeatureStore, value: float) -> None:
        store.refresh_registry()
        row = {"symbol": "BTC", "event_timestamp": NOW, "created_timestamp": NOW, "price": value}
        store.write_to_online_store("prices", pd.DataFrame([row]))

    feast = factory.store(tmp_path, [behaving(tmp_path, "old")], **settings)
    write(feast, 1.0)
    feast.apply([behaving(tmp_path, "new")])
    write(feast, 2.0)
    assert price(feast) == [2.0]
    if lost == "view":
        feast.apply([factory.SYMBOL], objects_to_delete=[feast.get_feature_view("prices")], partial=False)
        feast.apply([factory.SYMBOL, behaving(tmp_path, "newest")])
    else:
        for file in tmp_path.glob("registry.db*"):
            file.unlink()
        feast = factory.store(tmp_path, [behaving(tmp_path, "newest")], **settings)
    feast.refresh_registry()
    assert not feast.get_feature_view("prices").current_version_number
    assert price(feast) == [None]
    write(feast, 3.0)
    assert price(feast) == [3.0]


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_stored_on_demand_view_is_served_as_long_as_its_sources_are(
    tmp_path: Path, feast: FeatureStore, prices: FeatureView, monkeypatch: pytest.MonkeyPatch
) -> None:
    @on_demand_feature_view(  # type: ignore[untyped-decorator]  # Feast has no types.
        sources=[prices],
        entities=[factory.SYMBOL],
        schema=[Field(name="double", dtype=feast_types.Float64)],
        mode="pandas",
        write_to_online_store=True,
    )
    def stored(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"double": inputs["price"] * 2})

    feast.apply([stored])
    key = EntityKey(join_keys=["symbol"], entity_values=[Value(string_val="BTC")])
    row = (key, {"double": Value(double_val=4.0)}, NOW, NOW)
    online = feast._get_provider().online_store
    online.online_write_batch(feast.config, feast.get_on_demand_feature_view("stored"), [row], None)
    for age, value in ((timedelta(minutes=65), 4.0), (timedelta(minutes=65, microseconds=1), None)):
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + age).isoformat())
        answer = feast.get_online_features(["stored:double"], [{"symbol": "BTC"}]).to_dict()
        assert answer == {"symbol": ["BTC"], "double": [value]}
