"""Three projects in a row, and projects whose settings differ: what is read is what its owner made, or refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table
from crypto_features.store import ConsumedError, FeastResource, session
from crypto_features.store.online.place import place_of
from crypto_features.store.sharing import consumers
from crypto_features.tables.table import SHIPPED
from tests.servers import new_database

from .conftest import DESK, desk, environment, owner, project, registered
from .owner import catalog, daily_candles


@pytest.fixture
def third(tmp_path: Path) -> Path:
    """The folder of a third project."""
    repo = tmp_path / "third" / "feature_repo"
    repo.mkdir(parents=True)
    text = (DESK / "feature_repo/feature_store.yaml").read_text()
    (repo / "feature_store.yaml").write_text(text.replace("project: my_desk", "project: third"))
    return repo.parent


def test_a_table_made_of_borrowed_ones_is_lent_and_a_borrowed_one_is_not(
    third: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, tmp_path / "data")
    for one in (owner(), desk(), project(third, "tests.sharing.third:catalog")):
        with one:
            FeastResource().apply()
    with (
        project(third, "tests.sharing.third:lent_on"),
        pytest.raises(InputError, match="my_desk borrows price_features itself; declare project='crypto_features'"),
    ):
        FeastResource().apply()
    with desk("tests.sharing.neighbour:catalog"), pytest.raises(ConsumedError, match=r"momentum .* read by third \(v0"):
        FeastResource().apply()
    with project(third, "tests.sharing.third:nothing"):
        FeastResource().apply()
    with desk():
        registry = session.feature_store().registry
        assert consumers(registry, "my_desk", "momentum") == []
        assert consumers(registry, SHIPPED, "price_features") == ["my_desk (v0, service momentum_features)"]


def test_projects_with_two_data_folders_do_not_read_each_other(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {"CRYPTO_FEATURES_STORE": "postgres", "CRYPTO_FEATURES_POSTGRES_URL": new_database(postgres)}
    environment(monkeypatch, tmp_path / "one", servers)
    with owner():
        FeastResource().apply()
        before = registered()
    environment(monkeypatch, tmp_path / "two", servers)
    with desk(), pytest.raises(InputError, match=r"crypto_features has price_features at .*one/price_features, and"):
        FeastResource().apply()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    environment(monkeypatch, tmp_path / "link", servers)
    with desk():
        FeastResource().apply()
    environment(monkeypatch, tmp_path / "one", servers)
    with owner():
        assert registered() == before


def test_candles_of_another_length_than_the_setting_are_refused(tmp_path: Path) -> None:
    opened = pl.Series([datetime(2024, 1, 2, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"symbol": ["BTC"], "open_time": opened})
    hour, quarter = timedelta(hours=1), timedelta(minutes=15)
    Table(UPath(tmp_path), "candles", "open_time", raw=True).publish("2024-01", rows, {"interval": str(hour)})
    assert "candles" in catalog.tables
    with pytest.raises(InputError, match=r"are of 1:00:00, and CRYPTO_FEATURES_INTERVAL is 0:15:00: set it as"):
        Reading(UPath(tmp_path), catalog, daily_candles, quarter)("candles", ["2024-01"], None, None)


def test_two_projects_whose_names_run_together_have_two_places_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, tmp_path)
    with owner():
        FeastResource().apply()
        view = session.feature_store().get_feature_view("price_features")
    view.name = view.projection.name = "b_c"
    one = place_of("a", view, versioned=True)
    view.name = view.projection.name = "c"
    assert one != place_of("a_b", view, versioned=True)
    assert one.startswith("a_b_c")
