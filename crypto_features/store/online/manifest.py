"""What the online store says to readers without a registry: its manifest, which each publish and apply writes."""

from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from feast import FeatureView, RepoConfig
from feast.value_type import ValueType

from crypto_features.store.offline.pinned import behaviour_of
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.place import table_name
from crypto_features.store.online.question import kind_of_type
from crypto_features.store.online.switches import RegistryCopy
from crypto_features.store.shared_registry import SharedSqlRegistry
from crypto_features.store.tags import definitions, fingerprints, least, lowest_columns, origin
from crypto_features_reader import keys
from crypto_features_reader.guard import microseconds
from crypto_features_reader.manifest import TABLE, Manifest, View, packed
from crypto_features_reader.reading import KNOWN

if TYPE_CHECKING:
    from crypto_features.store.online.store import GuardedOnlineStore


def publish_manifest(online: "GuardedOnlineStore", config: RepoConfig, registry: Any) -> None:
    """Publish what the registry says now, if the online store has something else."""
    backend, key = online.backend(config), config.project.encode()
    with registry.alone() if isinstance(registry, SharedSqlRegistry) else nullcontext():
        payload = packed(manifest_of(config, registry, online.grace(config), online.registry_copy(config)))
        held = backend.read({TABLE: [key]})[TABLE].get(key)
        if held is None or held.payload != payload:
            backend.write(TABLE, [StoredRow(key, 0, 0, payload)])


def republish_manifest(online: "GuardedOnlineStore", config: RepoConfig, registry: Any) -> None:
    """Publish it after an apply, to a store that was published to; else the first publish does so."""
    if KNOWN in online.backend(config).switches():
        publish_manifest(online, config, registry)


def require_manifest(online: "GuardedOnlineStore", config: RepoConfig, registry: Any) -> None:
    """Publish it if the online store has none."""
    key = config.project.encode()
    if key not in online.backend(config).read({TABLE: [key]})[TABLE]:
        publish_manifest(online, config, registry)


def manifest_of(config: RepoConfig, registry: Any, grace: timedelta, copy: RegistryCopy | None) -> Manifest:
    """What the registry says now of the views of a project.

    Args:
        config: Of the project.
        registry: Its registry, which nobody else changes meanwhile.
        grace: How much longer than its TTL a row may be served.
        copy: What the registry knows of the online store; `None` where it notes nothing.
    """
    project = config.project
    views = {view.name: view for view in registry.list_feature_views(project)}
    published = frozenset[str]() if copy is None else copy.published()
    kept = {behaviour_of(view) for view in views.values() if origin(view) is None} - {""}

    def noted(view: FeatureView) -> View:
        table = table_name(config, view)
        lowest, columns = lowest_columns(view), view.entity_columns
        named = [column.name for column in columns if column.name != "__dummy_id"]
        needs = ["completeness"] if lowest else []
        if any(column.dtype.to_value_type() is not ValueType.STRING for column in columns):
            needs.append("keys that are not text")
        if config.entity_key_serialization_version != keys.VERSION:
            needs.append(f"keys of version {config.entity_key_serialization_version}")
        return View(
            table,
            tuple(named),
            {field.name: kind_of_type(field.dtype) for field in view.features},
            microseconds(view.ttl) if view.ttl else 0,
            fingerprints(view),
            definitions(view),
            lowest,
            least(view),
            table in published,
            behaviour_of(view) in kept,
            tuple(needs),
        )

    return Manifest(
        project,
        microseconds(grace),
        {name: noted(view) for name, view in views.items()},
        {name: {number: noted(one) for number, one in _versions(registry, project, name)} for name in views},
        {
            service.name: tuple(
                f"{p.name_to_use()}:{f.name}" for p in service.feature_view_projections for f in p.features
            )
            for service in registry.list_feature_services(project)
        },
        tuple(view.name for view in registry.list_on_demand_feature_views(project)),
    )


def _versions(registry: Any, project: str, name: str) -> list[tuple[int, FeatureView]]:
    numbers = [one["version_number"] for one in registry.list_feature_view_versions(name, project)]
    return [(number, registry.get_feature_view_by_version(name, project, number)) for number in numbers]
