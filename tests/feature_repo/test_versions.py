"""A version follows what a feature computes, and a service may keep reading an older one."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import feature_repo as repo
from crypto_features.shipped import catalog
from crypto_features.store import FeastResource, OtherVersionError, feast_objects, session
from crypto_features.tables.service import FeatureService
from crypto_features.versions.measured import feature_versions
from tests.redeclared import use

from .conftest import NOW

REF = "price_features:rsi_14"


def versions() -> list[int]:
    store = session.feature_store()
    return [one["version_number"] for one in store.registry.list_feature_view_versions("price_features", store.project)]


def status() -> str:
    session.feature_store().refresh_registry()
    (found,) = repo.get_online_features(["BTC"], [REF]).statuses["rsi_14"]
    return str(found)


def test_other_words_or_another_ttl_make_no_new_version(own: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    group = catalog.groups["price_features"]
    fields = tuple(replace(one, description=f"{one.description} Reworded.", unit="x") for one in group.features)
    for other in (
        replace(group, description="Reworded."),
        replace(group, ttl=timedelta(days=2)),
        replace(group, features=fields),
    ):
        use(monkeypatch, other)
        own.apply()
        assert versions() == [0]
        assert status() == "PRESENT"
    stored = session.feature_store().get_feature_view("price_features")
    assert all(field.description.endswith("Reworded.") for field in stored.features)


def test_a_service_keeps_reading_the_version_that_it_pins(own: FeastResource, monkeypatch: pytest.MonkeyPatch) -> None:
    group = catalog.groups["price_features"]
    changed = {feature.name: "changed" for feature in group.features}
    monkeypatch.setattr(
        feast_objects, "feature_versions", lambda name: changed if name == group.name else feature_versions(name)
    )
    pinned = FeatureService("pinned", "Old.", {group.name: ("rsi_14",)}, versions={group.name: 0})
    newest = FeatureService("newest", "New.", {group.name: ("rsi_14",)})
    use(monkeypatch, group, pinned, newest)
    own.apply()
    assert versions() == [0, 1]
    assert status() == "NOT_FOUND", "nothing of the new version was published yet"
    assert repo.get_online_features(["BTC"], "pinned").statuses["rsi_14"] == ["PRESENT"]
    store = session.feature_store()
    row = [{"symbol": "BTC"}]
    assert store.get_online_features(store.get_feature_service("pinned"), row).to_dict()["rsi_14"] != [None]
    assert store.get_online_features(store.get_feature_service("newest"), row).to_dict()["rsi_14"] == [None]
    own.materialize("price_features", NOW, NOW)
    assert status() == "PRESENT"
    frame = repo.create_entity_df(["BTC"], NOW, NOW)
    newest_values = repo.get_training_features(frame, "newest")["rsi_14"].tolist()
    assert newest_values == repo.get_online_features(["BTC"], "newest")["rsi_14"] != [None]
    with pytest.raises(OtherVersionError, match=r"price_features@v0 describes rsi_14 otherwise"):
        repo.get_training_features(frame, "pinned")


def test_a_version_trains_on_what_it_serves_as_long_as_the_table_holds_it(
    own: FeastResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes of the months decide, not what is declared now."""
    group = catalog.groups["price_features"]
    note(tmp_path / "data" / group.name, feature_versions(group.name))
    monkeypatch.setattr(feast_objects, "feature_versions", lambda name: {**feature_versions(name), "rsi_14": "changed"})
    pinned = FeatureService("pinned", "Old.", {group.name: ("rsi_14",)}, versions={group.name: 0})
    use(monkeypatch, group, pinned)
    own.apply()
    frame = repo.create_entity_df(["BTC"], NOW, NOW)
    served = repo.get_online_features(["BTC"], "pinned")["rsi_14"]
    assert repo.get_training_features(frame, "pinned")["rsi_14"].tolist() == served != [None]


def test_features_of_a_version_are_read_where_only_another_one_was_computed_otherwise(
    own: FeastResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = catalog.groups["price_features"]
    changed = {**feature_versions(group.name), "ma_5": "changed"}
    note(tmp_path / "data" / group.name, changed)
    monkeypatch.setattr(feast_objects, "feature_versions", lambda name: {**feature_versions(name), **changed})
    pinned = FeatureService("pinned", "Old.", {group.name: ("rsi_14",)}, versions={group.name: 0})
    both = FeatureService("both", "Old.", {group.name: ("rsi_14", "ma_5")}, versions={group.name: 0})
    use(monkeypatch, group, pinned, both)
    own.apply()
    assert versions() == [0, 1]
    frame = repo.create_entity_df(["BTC"], NOW, NOW)
    served = repo.get_online_features(["BTC"], "pinned")["rsi_14"]
    assert repo.get_training_features(frame, "pinned")["rsi_14"].tolist() == served != [None]
    with pytest.raises(OtherVersionError, match=r"price_features@v0 describes ma_5 otherwise"):
        repo.get_training_features(frame, "both")


def note(folder: Path, fingerprints: Mapping[str, str]) -> None:
    """Have the notes of each month of a table say that its features were computed as these."""
    for file in folder.iterdir():
        notes = {"crypto_features": json.dumps({"fingerprints": json.dumps(dict(fingerprints))})}
        pq.write_table(pq.read_table(file).replace_schema_metadata(notes), file)
