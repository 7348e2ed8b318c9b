"""The Feast registry: entity, sources, views and services as the code declares them."""

import dagster as dg

from crypto_features.graph.conditions import fills
from crypto_features.shipped.registry import GROUPS, SERVICES
from crypto_features.store import FeastResource
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.measured import table_version


def _declared() -> str:
    """What is applied: each view by its behaviour, and each service by what it reads."""
    views = {name: table_version(name) for name in GROUPS}
    return combined(views | {f"service {name}": repr(service) for name, service in SERVICES.items()})


@dg.asset(
    group_name="serving",
    kinds={"feast"},
    owners=["team:platform"],
    description="Feast's registry: `feast apply` of every entity, source, view and service in `feature_repo`.",
    code_version=_declared(),
    automation_condition=fills(),
    pool="feast_registry",
)
def feast_registry(feast: FeastResource) -> dg.MaterializeResult[None]:
    """Apply the definitions and record what the registry holds."""
    applied = feast.apply()
    return dg.MaterializeResult(
        metadata={"registry_version": applied.version, "objects": dg.MetadataValue.json(list(applied.names))}
    )
