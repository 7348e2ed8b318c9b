"""The private names of Feast that this project stands on: each is there and does what is relied on."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from feast import FeatureStore, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.passthrough_provider import PassthroughProvider
from feast.infra.registry.sql import SqlRegistry
from sqlalchemy import create_engine

from crypto_features.store import feast_private
from crypto_features.store.online.store import GuardedOnlineStore
from crypto_features.store.provider import GuardedProvider
from crypto_features.store.shared_registry import SharedSqlRegistry

from . import factory

FUNCTIONS = {
    "cached_request_context": ("registry", "project", "features", "full_feature_names"),
    "prepared_request": ("registry", "project", "features", "entity_values", "full_feature_names"),
    "drop_unneeded_columns": ("online_features_response", "requested_result_row_names"),
    "unique_entities": ("table", "join_key_values", "entity_name_to_join_key_map"),
    "entity_key_protos": ("entity_rows",),
    "column_names": ("feature_view", "entities"),
    "create_registry": ("self",),
}
"""What we call, and the first parameters that we hand over."""
OVERRIDDEN = [
    (OnlineStore, GuardedOnlineStore, "_read_features_per_fv", "guarded reads inside Feast's own responses"),
    (OnlineStore, GuardedOnlineStore, "_is_versioned_read_supported", "reads of an old version"),
    (PassthroughProvider, GuardedProvider, "_prep_rows_to_write_for_ingestion", "the times of stored on-demand rows"),
]
CALLED = [
    (SqlRegistry, "_get_any_feature_view", ("name", "project"), "a view is applied without reading what was there"),
    (SqlRegistry, "_infer_fv_table", ("feature_view",), "a materialization is not noted"),
    (SqlRegistry, "_infer_fv_classes", ("feature_view",), "a materialization is not noted"),
    (SqlRegistry, "_apply_object", ("table", "project", "id_field_name", "obj", "proto_field_name"), "nothing applies"),
    (FeatureView, "_schema_or_udf_changed", ("other",), "a change of behaviour makes no new version"),
    (OnlineStore, "_build_feature_types", ("grouped_refs",), "responses with on-demand views have no types"),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_feast_takes_what_the_store_hands_over(name: str) -> None:
    found = tuple(inspect.signature(getattr(feast_private, name)).parameters)
    assert found[: len(FUNCTIONS[name])] == FUNCTIONS[name]


@pytest.mark.parametrize(("base", "ours", "name", "lost"), OVERRIDDEN)
def test_feast_still_calls_what_we_override(base: type, ours: type, name: str, lost: str) -> None:
    expected, found = (inspect.signature(getattr(kind, name)).parameters for kind in (base, ours))
    assert len(found) == len(expected), f"without it we lose {lost}"


@pytest.mark.parametrize(("kind", "name", "parameters", "lost"), CALLED)
def test_a_method_of_feast_takes_what_we_hand_over(
    kind: type, name: str, parameters: tuple[str, ...], lost: str
) -> None:
    found = [p for p in inspect.signature(getattr(kind, name)).parameters if p != "self"]
    assert tuple(found[: len(parameters)]) == parameters, f"otherwise {lost}"


def foreign(folder: Path) -> FeatureStore:
    registry = {"registry_type": "sql", "path": f"sqlite:///{folder}/foreign.db"}
    online = {"type": "sqlite", "path": f"{folder}/foreign_online.db"}
    config = RepoConfig(
        project="foreign",
        provider="local",
        registry=registry,
        online_store=online,
        offline_store={"type": "dask"},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    return FeatureStore(config=config)


def test_a_foreign_project_in_the_same_process_keeps_feasts_own_registry(tmp_path: Path) -> None:
    before = foreign(tmp_path)
    ours = FeatureStore(config=factory.config(tmp_path))
    after = foreign(tmp_path)
    assert type(ours.registry) is SharedSqlRegistry
    assert type(before.registry) is type(after.registry) is SqlRegistry


def test_the_plugin_of_the_registry_is_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    engine = create_engine("sqlite:///registry.db", plugins=["crypto_features"])
    assert engine.url.database == str(tmp_path / "registry.db"), "install crypto-features again"


IMPORTS = """
import sys
from feast import FeatureStore
import feast.feature_store
from sqlalchemy.dialects import plugins
before = FeatureStore._create_registry, feast.feature_store.SqlRegistry, list(sys.meta_path), dict(plugins.impls)
import crypto_features.store, crypto_features.store.provider, crypto_features.store.online.store
import crypto_features.store.offline.store, crypto_features.store.feast_objects, crypto_features.store.registry
after = FeatureStore._create_registry, feast.feature_store.SqlRegistry, list(sys.meta_path), dict(plugins.impls)
assert before == after, (before, after)
"""


def test_importing_the_store_changes_nothing_of_feast_sqlalchemy_or_the_import_system() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_feast_counts_requests_only_once_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from feast import metrics

    monkeypatch.setattr(metrics, "_config", type(metrics._config)())  # another test may have asked for it.
    assert not feast_private.counts_online_features()
    feast_private.count_requests()
    assert feast_private.counts_online_features()


def test_a_response_carries_the_types_of_its_features() -> None:
    from feast.online_response import OnlineResponse
    from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesResponse

    types: dict[str, Any] = {"rsi": object()}
    assert feast_private.feature_types(OnlineResponse(GetOnlineFeaturesResponse(), types)) == types
