"""The page of the catalog as an asset: what each table and feature is, written after everything else."""

from collections.abc import Sequence

import dagster as dg

from crypto_features.catalog_page.entries import Around, Check
from crypto_features.catalog_page.page import page, page_path, write_page
from crypto_features.graph.asset_names import page_asset, registry_asset
from crypto_features.graph.checks.remembered import last_looks
from crypto_features.graph.leak_gate import CHECK, verdict
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.tables.catalog import Catalog


def catalog_page(settings: Settings, catalog: Catalog, checks: Sequence[dg.AssetCheckKey]) -> dg.AssetsDefinition:
    """The asset that writes the page.

    Args:
        settings: Of the platform.
        catalog: The catalog.
        checks: The checks of all assets, whose newest results the page shows.
    """

    @dg.asset(
        key=page_asset(catalog).split("/"),
        group_name="documentation",
        kinds={"html"},
        owners=["team:research"],
        description="One page with each table and feature: definition, lineage, versions, readers, values, cost, "
        "checks and information coefficients. `crypto-features catalog` writes the same.",
        deps=[
            *(t.name for t in catalog.computed),
            *(t.name.split("/") for t in catalog.training),
            registry_asset(catalog).split("/"),
        ],
    )
    def catalog_html(context: dg.AssetExecutionContext, feast: FeastResource) -> dg.MaterializeResult[None]:
        text = page(settings, catalog, around(settings, catalog, checks, context.instance, feast))
        path = page_path(settings, catalog)
        write_page(path, text)
        return dg.MaterializeResult(metadata={"dagster/uri": str(path), "bytes": len(text.encode())})

    return catalog_html


def around(
    settings: Settings,
    catalog: Catalog,
    checks: Sequence[dg.AssetCheckKey],
    instance: dg.DagsterInstance | None,
    feast: FeastResource,
) -> Around:
    """What Dagster, Feast and the leak test know of a catalog.

    Args:
        settings: Of the platform.
        catalog: The catalog.
        checks: The checks whose newest results are wanted, beside those of the leak tests.
        instance: Where they are recorded; `None` if nothing ever ran.
        feast: The store.
    """
    keys = [*checks, *(dg.AssetCheckKey(dg.AssetKey(name), CHECK) for name in catalog.groups)]
    found: dict[str, list[Check]] = {}
    for key, (evaluation, at) in (last_looks(instance, keys) if instance else {}).items():
        text = evaluation.description or ""
        found.setdefault(key.asset_key.to_user_string(), []).append(Check(key.name, evaluation.passed, text, at))
    return Around(
        {asset: sorted(checks, key=lambda check: check.name) for asset, checks in found.items()},
        {name: verdict(settings.root, group) for name, group in catalog.groups.items()},
        feast.versions(),
        settings.ui_url,
    )
