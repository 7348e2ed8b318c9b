"""An online store that was emptied, or replaced by an empty one, is not one that never had rows."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from feast import FeatureStore

from crypto_features.store.errors import EmptyStoreError
from crypto_features.store.online.answer import summary
from tests.servers import lose_everything
from tests.store import factory

NOW = datetime(2024, 1, 2, tzinfo=UTC)
FEATURES = {"price": pl.Float64}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())


@pytest.fixture
def feast(tmp_path: Path, url: str) -> Iterator[FeatureStore]:
    """A store of two views, of which one is published."""
    views = [factory.view(tmp_path, name, FEATURES) for name in ("prices", "volumes")]
    for name in ("prices", "volumes"):
        row = {"symbol": ["BTC"], "event_timestamp": [NOW], "created_timestamp": [NOW], "price": [1.5]}
        factory.table(tmp_path, name, pl.DataFrame(row))
    store = factory.store(tmp_path, views, online={"type": factory.ONLINE, "url": url, "grace_seconds": 0})
    store.materialize(NOW - timedelta(hours=1), NOW, feature_views=["prices"])
    yield store
    asyncio.run(store._get_provider().online_store.close())


def status(feast: FeatureStore, symbol: str, view: str = "prices") -> str:
    response: Any = feast.get_online_features([f"{view}:price"], {"symbol": [symbol]})
    found: str = summary(response, {"symbol"})[1]["price"][0]
    return found


def empty(feast: FeatureStore, url: str, folder: Path) -> None:
    """What a flush, a failover or a wrong address leaves."""
    asyncio.run(feast._get_provider().online_store.close())
    lose_everything(url, folder)
    if url.startswith("sqlite"):
        (folder / "online.db").touch()
    feast._get_provider().online_store.__init__()  # as another process finds it.


def test_an_emptied_store_is_named_with_what_it_lost_until_it_is_published_again(
    tmp_path: Path, url: str, feast: FeatureStore
) -> None:
    assert [status(feast, "BTC"), status(feast, "NEW"), status(feast, "BTC", "volumes")] == [
        "PRESENT",
        "NOT_FOUND",
        "NOT_FOUND",
    ]
    empty(feast, url, tmp_path)
    for _ in range(2):
        with pytest.raises(EmptyStoreError, match=r"has nothing of prices, which was published .*crypto-features run"):
            status(feast, "BTC")
    assert status(feast, "BTC", "volumes") == "NOT_FOUND", "it was never published"
    views = [feast.get_feature_view(name) for name in ("prices", "volumes")]
    feast.apply([factory.SYMBOL, *views])
    with pytest.raises(EmptyStoreError):
        status(feast, "BTC")
    feast.materialize(NOW - timedelta(hours=1), NOW, feature_views=["prices"])
    assert status(feast, "BTC") == "PRESENT"


def test_a_view_of_which_no_row_was_published_is_not_lost(tmp_path: Path, url: str, feast: FeatureStore) -> None:
    (tmp_path / "volumes" / "2024-01.parquet").unlink()
    factory.table(tmp_path, "volumes", pl.DataFrame(pl.read_parquet(tmp_path / "prices" / "2024-01.parquet")).clear())
    feast.materialize(NOW - timedelta(hours=1), NOW, feature_views=["volumes"])
    assert status(feast, "BTC", "volumes") == "NOT_FOUND"


def test_a_view_that_was_removed_and_declared_again_is_not_lost(feast: FeatureStore) -> None:
    view = feast.get_feature_view("prices")
    feast.apply([], objects_to_delete=[view], partial=False)
    view.materialization_intervals = []
    feast.apply([factory.SYMBOL, view])
    assert status(feast, "BTC") == "NOT_FOUND"
