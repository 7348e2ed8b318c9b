"""Two projects in one registry, lake and online store: each owns its views, and one reads the other's by name."""

from pathlib import Path

import polars as pl
import pytest

import feature_repo as repo
from crypto_features.errors import InputError
from crypto_features.graph.recompute import plan_of
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session
from crypto_features.store.tags import origin
from crypto_features_reader import Reader
from tests.services.alike import content

from .conftest import REFS, Story, desk, environment, owner, parquet


@pytest.fixture(autouse=True)
def _settings(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, story.folder, story.variables)


def test_the_apply_of_one_project_leaves_the_objects_of_the_other_as_they_are(story: Story) -> None:
    assert story.owners == story.owners_after_the_desk == story.owners_after_refusal
    assert story.desks == story.desks_after_upgrade


def test_the_borrower_reads_the_owners_values_online_and_offline(story: Story) -> None:
    values, statuses, _ = story.before.online
    assert statuses == {"rsi_14": ["PRESENT", "PRESENT"], "overshoot": ["PRESENT", "PRESENT"]}
    (newest_month,) = story.folder.glob("price_features@*/2024-02.parquet")
    table = parquet(newest_month)
    newest = table.filter(pl.col("event_timestamp") == table["event_timestamp"].max()).sort("symbol")
    assert values["rsi_14"] == newest["rsi_14"].to_list()
    joined = story.before.offline.filter(pl.col("event_timestamp") == table["event_timestamp"].max())
    assert joined["rsi_14"].to_list() == newest["rsi_14"].to_list()


def test_dropping_what_another_project_reads_is_refused_with_who_reads_it(story: Story) -> None:
    text = str(story.refused)
    assert "price_features of crypto_features is read by my_desk (v0, service momentum_features)" in text


def test_an_upgrade_makes_a_new_version_beside_the_old_one(story: Story) -> None:
    assert [line for line in story.owners_upgraded if line.startswith("price")] == [
        "price_features v0",
        "price_features v1",
    ]
    (kept,) = story.folder.glob("price_features@*")
    assert {path.name: path.read_bytes() for path in kept.glob("*.parquet")} == story.before_upgrade


def test_not_a_byte_that_the_borrower_reads_changes_until_it_moves_its_pin(story: Story) -> None:
    for later in (story.after, story.after_own_run):
        assert later.online == story.before.online
        assert later.offline.equals(story.before.offline)
        assert later.files == story.before.files


def test_what_nothing_computes_any_more_expires_online_with_its_time_and_stays_offline(story: Story) -> None:
    values, statuses, times = story.later.online
    assert (values["rsi_14"], statuses["rsi_14"]) == ([None, None], ["EXPIRED", "EXPIRED"])
    assert times == story.before.online[2]
    assert story.later.offline.equals(story.before.offline)


def test_a_month_that_only_the_newer_version_has_is_refused_by_name(story: Story) -> None:
    text = str(story.lost)
    assert "crypto_features computes rsi_14 of price_features otherwise than its version 0, which is read here" in text
    assert "Borrowed('price_features', version=...)" in text


def test_a_moved_pin_reads_the_newer_version_online_and_offline(story: Story) -> None:
    assert story.moved.offline["rsi_14"].equals(story.newest["rsi_14"])
    ratio = story.moved.offline["rsi_14"] / story.before.offline["rsi_14"]
    assert ratio.drop_nulls().is_between(1.2 - 1e-12, 1.2 + 1e-12).all()
    assert story.moved.online[0]["rsi_14"] == pytest.approx([v * 1.2 for v in story.before.online[0]["rsi_14"]])
    assert story.moved.online[1]["rsi_14"] == ["PRESENT", "PRESENT"]


@pytest.mark.usefixtures("story")
def test_nothing_of_either_project_is_stale_after_its_run() -> None:
    with desk("tests.sharing.moved:catalog"):
        assert plan_of(Settings.load()).stale == ()
    with owner("upgraded"):
        assert plan_of(Settings.load()).stale == ()


@pytest.mark.usefixtures("story")
def test_a_borrowed_view_is_published_by_its_owner_only() -> None:
    with desk("tests.sharing.moved:catalog"):
        assert set(repo.materialize_features()) == {"momentum"}
        with pytest.raises(InputError, match="price_features belongs to crypto_features"):
            repo.materialize_features(["price_features"])
        store = session.feature_store()
        view = store.get_feature_view("price_features")
        before = FeastResource().online_rows("price_features")
        store.provider.online_store.update(store.config, [view], [], [], [], partial=False)
        store.provider.online_store.teardown(store.config, [view], [])
        copied = origin(view)
        assert copied is not None
        assert copied.project == "crypto_features"
        assert FeastResource().online_rows("price_features").equals(before)


@pytest.mark.usefixtures("story")
def test_two_projects_do_not_compute_one_table(tmp_path: Path) -> None:
    with (
        desk("tests.sharing.rival:catalog"),
        pytest.raises(InputError, match=r"price_features would write .*, which crypto_features computes"),
    ):
        FeastResource().apply()


def test_a_reader_without_a_registry_reads_what_is_borrowed_alike(story: Story) -> None:
    with desk():
        session.feature_store().refresh_registry()  # a manifest is of the newest apply.
        expected = repo.get_online_features(["BTC", "ETH"], REFS)
        url = Settings.load().online_url
    address = url if "://" in url and not url.startswith("sqlite") else f"sqlite:///{story.folder}/online.db"
    with Reader(address, project="my_desk") as reader:
        assert content(reader.get_online_features(["BTC", "ETH"], REFS)) == content(expected)
