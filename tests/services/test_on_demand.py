"""On-demand views on each database: what their functions see, and how long what they stored is served."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from feast import FeatureStore, Field
from feast import types as feast_types
from feast.on_demand_feature_view import OnDemandFeatureView, on_demand_feature_view

from crypto_features.errors import InputError
from crypto_features.store.online.answer import summary
from crypto_features.store.online.pack_frame import packed_rows
from tests.services import seen
from tests.store import factory

pytestmark = [
    pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Singleton mode:UserWarning"),
]
NOW = datetime(2024, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = factory.T0


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def feast(tmp_path: Path, url: str) -> Iterator[FeatureStore]:
    """Two views of one symbol each hour: `prices`, fresh for an hour, and `counts`, fresh for a day."""
    views = [
        factory.view(tmp_path, "prices", {"price": pl.Int64}, ttl=HOUR),
        factory.view(tmp_path, "counts", {"count": pl.Int64}),
    ]
    store = factory.store(tmp_path, views, online={"type": factory.ONLINE, "url": url, "grace_seconds": 0})
    yield store
    asyncio.run(store._get_provider().online_store.close())


def write(feast: FeatureStore, view: str, symbol: str, age: timedelta, value: int | None) -> None:
    row = {"symbol": symbol, "event_timestamp": NOW - age, "created_timestamp": NOW, view[:-1]: value}
    feast.write_to_online_store(view, pd.DataFrame([row]).astype({view[:-1]: "Int64"}))


def functions() -> dict[str, Any]:
    """A function for each mode that notes what it is given and fails on what is not a number; Feast takes each once."""

    def in_python(inputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
        from tests.services import seen

        seen.rows.append(inputs["price"])
        return {"double": [price * 2 for price in inputs["price"]]}

    def in_pandas(inputs: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        from tests.services import seen

        seen.rows.append(list(inputs["price"]))
        return pd.DataFrame({"double": [price * 2 for price in inputs["price"]]})

    def in_singleton(inputs: dict[str, Any]) -> dict[str, Any]:
        from tests.services import seen

        seen.rows.append(inputs["price"])
        return {"double": inputs["price"] * 2}

    return {"python": in_python, "pandas": in_pandas, "singleton": in_singleton}


def doubling(feast: FeatureStore, mode: str) -> OnDemandFeatureView:
    """An on-demand view `doubled` in one of the modes."""
    decorate: Any = on_demand_feature_view(
        name="doubled",
        sources=[feast.get_feature_view("prices")],
        schema=[Field(name="double", dtype=feast_types.Int64)],
        mode="pandas" if mode == "pandas" else "python",
        singleton=mode == "singleton",
    )
    view: OnDemandFeatureView = decorate(functions()[mode])
    return view


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["python", "pandas", "singleton"])
@pytest.mark.parametrize("name", ["double", "doubled__double"])
def test_a_function_is_given_the_served_rows_only(feast: FeatureStore, mode: str, name: str) -> None:
    feast.apply([doubling(feast, mode)])
    for number, (symbol, age) in enumerate(
        {"OLD": 2 * HOUR, "BTC": 0 * HOUR, "OFF": 0 * HOUR, "XRP": 0 * HOUR, "ETH": HOUR}.items()
    ):
        write(feast, "prices", symbol, age, number + 10)
    feast._get_provider().online_store.backend(feast.config).switch_off("OFF", "test")
    seen.rows.clear()
    rows = {"symbol": ["OLD", "BTC", "OFF", "NEW", "ETH"]}
    response: Any = feast.get_online_features(["doubled:double"], rows, full_feature_names=name != "double")
    values, statuses, _ = summary(response, {"symbol"})
    assert values[name] == [None, 22, None, None, 28]
    assert statuses[name] == ["EXPIRED", "PRESENT", "DISABLED", "NOT_FOUND", "PRESENT"]
    assert seen.rows == ([11, 14] if mode == "singleton" else [[11, 14]])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_is_computed_from_a_partial_row_is_partial(feast: FeatureStore) -> None:
    feast.apply([doubling(feast, "python")])
    view = feast.get_feature_view("prices")
    stamps = {"event_timestamp": NOW, "created_timestamp": NOW}
    rows = pl.DataFrame([{"symbol": symbol, **stamps, "price": 7} for symbol in ("BTC", "ETH")])
    packed = packed_rows(rows, view, feast.config.entity_key_serialization_version, partial=[True, False])
    feast._get_provider().online_store.write_rows(feast.config, view, packed)
    response: Any = feast.get_online_features(["doubled:double", "prices:price"], {"symbol": ["BTC", "ETH"]})
    values, statuses, _ = summary(response, {"symbol"})
    assert (values["double"], statuses["double"]) == ([14, 14], ["PARTIAL", "PRESENT"])
    assert (values["price"], statuses["price"]) == ([7, 7], ["PARTIAL", "PRESENT"])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_function_is_not_called_for_nothing(feast: FeatureStore) -> None:
    feast.apply([doubling(feast, "python")])
    seen.rows.clear()
    response: Any = feast.get_online_features(["doubled:double"], {"symbol": ["NEW"]})
    assert (summary(response, {"symbol"})[1]["double"], seen.rows) == (["NOT_FOUND"], [])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_function_that_returns_too_few_values_is_named(feast: FeatureStore) -> None:
    def short(inputs: dict[str, list[int]]) -> dict[str, list[int]]:
        return {"double": inputs["price"][:1]}

    decorate: Any = on_demand_feature_view(
        sources=[feast.get_feature_view("prices")],
        schema=[Field(name="double", dtype=feast_types.Int64)],
        mode="python",
    )
    feast.apply([decorate(short)])
    for symbol in ("BTC", "ETH"):
        write(feast, "prices", symbol, 0 * HOUR, 1)
    with pytest.raises(InputError, match=r"'short'.*1 values of 'double' for 2 rows"):
        feast.get_online_features(["short:double"], {"symbol": ["BTC", "ETH"]})


def summing(feast: FeatureStore) -> OnDemandFeatureView:
    """A stored on-demand view `total` of both views."""
    decorate: Any = on_demand_feature_view(
        sources=[feast.get_feature_view(name) for name in ("prices", "counts")],
        entities=[factory.SYMBOL],
        schema=[Field(name="total", dtype=feast_types.Float64)],
        mode="pandas",
        write_to_online_store=True,
    )

    def sums(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"total": inputs["price"].astype(float) + inputs["count"].astype(float)})

    view: OnDemandFeatureView = decorate(sums)
    return view


def tables(folder: Path, prices: dict[str, list[timedelta]], counts: dict[str, list[timedelta]]) -> None:
    """Rows of those ages by symbol; a price is 1, a count its age in minutes."""
    for name, ages in {"prices": prices, "counts": counts}.items():
        rows = [
            {"symbol": s, "event_timestamp": NOW - age, "created_timestamp": NOW, name[:-1]: value}
            for s, found in ages.items()
            for age in found
            for value in [1 if name == "prices" else age // timedelta(minutes=1)]
        ]
        factory.table(folder, name, pl.DataFrame(rows))


def total(feast: FeatureStore, *more: str) -> tuple[list[Any], list[str]]:
    response: Any = feast.get_online_features(["sums:total", *more], {"symbol": ["BTC"]})
    values, statuses, _ = summary(response, {"symbol"})
    return values["total"], statuses["total"]


def test_what_is_stored_on_demand_has_the_time_of_its_oldest_source_whatever_else_is_asked_for(
    tmp_path: Path, feast: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    feast.apply([summing(feast)])
    ten, forty = timedelta(minutes=10), timedelta(minutes=40)
    tables(tmp_path, {"BTC": [forty]}, {"BTC": [forty, ten]})
    feast.materialize(NOW - timedelta(days=1), NOW)
    for more in ((), ("prices:price", "counts:count")):
        assert total(feast, *more) == ([11.0], ["PRESENT"])
    # The shortest TTL, an hour, after the oldest source, 40 minutes ago, and not after the newest or the publication.
    for later, status in ((timedelta(minutes=20), "PRESENT"), (timedelta(minutes=20, microseconds=1), "EXPIRED")):
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (NOW + later).isoformat())
        for more in ((), ("prices:price", "counts:count")):
            assert total(feast, *more) == ([11.0 if status == "PRESENT" else None], [status])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_source_that_expired_years_ago_is_not_brought_to_life_by_a_stored_view(
    tmp_path: Path, feast: FeatureStore
) -> None:
    feast.apply([summing(feast)])
    years = timedelta(days=800)
    tables(tmp_path, {"BTC": [years]}, {"BTC": [years]})
    feast.materialize(NOW - 2 * years, NOW)
    assert total(feast) == ([None], ["EXPIRED"])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_row_without_one_of_its_sources_is_not_stored(tmp_path: Path, feast: FeatureStore) -> None:
    feast.apply([summing(feast)])
    tables(tmp_path, {"ETH": [HOUR]}, {"BTC": [HOUR], "ETH": [HOUR]})
    feast.materialize(NOW - timedelta(days=1), NOW)
    assert total(feast) == ([None], ["NOT_FOUND"])
    assert feast.get_online_features(["sums:total"], {"symbol": ["ETH"]}).to_dict()["total"] == [61.0]


def test_of_two_rows_with_one_oldest_source_the_later_one_stays(tmp_path: Path, feast: FeatureStore) -> None:
    feast.apply([summing(feast)])
    ages = [timedelta(minutes=minutes) for minutes in (30, 20, 10)]
    for published in (ages, ages[:2], ages[:1]):  # an older state comes later, twice.
        tables(tmp_path, {"BTC": [ages[0]]}, {"BTC": published})
        feast.materialize(NOW - timedelta(days=1), NOW)
        assert total(feast) == ([11.0], ["PRESENT"])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_source_that_is_switched_off_switches_off_what_is_stored_from_it(tmp_path: Path, feast: FeatureStore) -> None:
    feast.apply([summing(feast)])
    tables(tmp_path, {"BTC": [0 * HOUR]}, {"BTC": [0 * HOUR]})
    feast.materialize(NOW - timedelta(days=1), NOW)
    feast._get_provider().online_store.backend(feast.config).switch_off("counts", "test")
    assert total(feast) == ([None], ["DISABLED"])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("age", [HOUR, HOUR + timedelta(microseconds=1), None])
def test_a_row_that_is_handed_in_has_the_time_that_comes_with_it_or_that_of_writing(
    feast: FeatureStore, age: timedelta | None
) -> None:
    feast.apply([summing(feast)])
    row = {"symbol": "BTC", "price": 2, "count": 3} | ({} if age is None else {"event_timestamp": NOW - age})
    feast.write_to_online_store("sums", pd.DataFrame([row]))
    assert total(feast) == (([None], ["EXPIRED"]) if age is not None and age > HOUR else ([5.0], ["PRESENT"]))
