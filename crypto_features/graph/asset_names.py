"""The names of the assets that every project has: those of several projects stand side by side in one graph."""

from crypto_features.tables.catalog import Catalog
from crypto_features.tables.table import SHIPPED


def registry_asset(catalog: Catalog) -> str:
    """The asset that applies a catalog to Feast's registry."""
    return registry_asset_of(catalog.project)


def registry_asset_of(project: str) -> str:
    """The asset that applies the catalog of a project."""
    return _own(project, "feast_registry")


def plan_asset(catalog: Catalog) -> str:
    """The asset that records what is stale of a catalog."""
    return _own(catalog.project, "recompute_plan")


def page_asset(catalog: Catalog) -> str:
    """The asset that writes the page of a catalog."""
    return _own(catalog.project, "catalog")


def _own(project: str, asset: str) -> str:
    return asset if project == SHIPPED else f"{project}/{asset}"
