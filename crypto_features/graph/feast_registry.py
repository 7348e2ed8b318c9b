"""The Feast registry: entity, sources, views and services as the code declares them."""

import dagster as dg

from crypto_features.graph.asset_names import registry_asset, registry_asset_of
from crypto_features.graph.conditions import fills
from crypto_features.store import FeastResource
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.measured import table_version


def feast_registry(catalog: Catalog) -> dg.AssetsDefinition:
    """The asset that applies what the catalog declares to Feast's registry."""
    # each view by its behaviour, and each service by what it reads.
    views = {name: table_version(name) for name in catalog.groups}
    borrowed = {f"borrowed {name}": f"{t.project} {t.version} {t.columns}" for name, t in catalog.borrowed.items()}
    services = {f"service {name}": repr(service) for name, service in catalog.services.items()}

    @dg.asset(
        key=registry_asset(catalog).split("/"),
        group_name="serving",
        kinds={"feast"},
        owners=["team:platform"],
        description="Feast's registry: `feast apply` of every entity, source, view and service in `feature_repo`.",
        code_version=combined(views | borrowed | services),
        deps=[r.split("/") for r in sorted({registry_asset_of(t.project) for t in catalog.borrowed.values()})],
        automation_condition=fills(),
        pool="feast_registry",
    )
    def feast_registry(feast: FeastResource) -> dg.MaterializeResult[None]:
        version, names = feast.apply()
        return dg.MaterializeResult(
            metadata={"registry_version": version, "objects": dg.MetadataValue.json(list(names))}
        )

    return feast_registry
