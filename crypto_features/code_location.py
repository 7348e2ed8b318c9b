"""The one place where settings, assets, resources and automation are put together."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg

from crypto_features.automation import automation
from crypto_features.catalogs import current_catalog
from crypto_features.errors import CryptoFeaturesError, SettingsError
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.bars import bar_table
from crypto_features.graph.catalog_page import catalog_page
from crypto_features.graph.checks import every_check
from crypto_features.graph.feast_registry import feast_registry
from crypto_features.graph.features import feature_table
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.models import model_table
from crypto_features.graph.online import online_view
from crypto_features.graph.partitions import monthly
from crypto_features.graph.plan import recompute_plan
from crypto_features.graph.raw import further_table, raw_table
from crypto_features.graph.training import training_set
from crypto_features.graph.training_sets import whole_set
from crypto_features.settings import Settings, project_root
from crypto_features.sources import Opening, source
from crypto_features.sources.source import Source
from crypto_features.store import FeastResource

EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""The month of the first Bitcoin: the first one of a source whose data nobody has looked at yet."""


def build(settings: Settings, market: Source | None = None) -> dg.Definitions:
    """Everything that Dagster loads, for these settings and the catalog that they choose.

    Args:
        settings: The settings.
        market: The source, if it is open already; by default each run opens it anew, as its files may have changed.
    """
    catalog, opening = current_catalog(), partial(source, settings) if market is None else lambda: market
    name, known_start = _market(settings, opening)
    months = monthly(settings.start or known_start or EARLIEST)
    checks = every_check(settings, catalog, opening)
    graph = dg.Definitions(
        assets=dg.with_source_code_references(
            [
                *([] if catalog.raw.project else [raw_table(settings, catalog.raw, name, months, opening)]),
                *(
                    further_table(settings, raw, months)
                    for raw in catalog.raws.values()
                    if raw is not catalog.raw and not raw.project
                ),
                *(bar_table(settings, bars, months) for bars in catalog.bars.values() if not bars.project),
                *(model_table(settings, model, months) for model in catalog.models.values()),
                *(feature_table(settings, group, months) for group in catalog.groups.values()),
                recompute_plan(catalog),
                feast_registry(catalog),
                *(
                    online_view(settings, group, months, registry=registry_asset(catalog))
                    for group in catalog.groups.values()
                ),
                *(training_set(settings, one, catalog, months) for one in catalog.training),
                catalog_page(settings, catalog, [key for check in checks for key in check.check_keys]),
                *(whole_set(settings, one, catalog) for one in catalog.sets.values()),
            ]
        ),
        asset_checks=checks,
        resources={
            "lake": LakeResource(
                root=str(settings.root), interval_minutes=int(settings.interval.total_seconds() // 60)
            ),
            "feast": FeastResource(),
        },
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(
        graph, automation(settings, catalog, [key for check in checks for key in check.check_keys])
    )


def require_folder(working_directory: str) -> None:
    """Check that this process was started in the project that a workspace names as a location's working directory.

    Raises:
        SettingsError: naming both. Dagster looks for modules there and starts the process elsewhere, where it would
            work for another project.
    """
    named, here = Path(working_directory).resolve(), project_root().resolve()
    if (named / "feature_repo" / "feature_store.yaml").is_file() and named != here:
        raise SettingsError(
            f"the code location has the working directory {named}, and its process was started in the project {here}, "
            f"for which it would work. Start a code server in {named}, `dagster api grpc --module-name "
            "crypto_features.definitions --host 127.0.0.1 --port 4266`, and name it in the workspace as a grpc_server."
        )


def _market(settings: Settings, opening: Opening) -> tuple[str, datetime | None]:
    """The source's name and what is known of its start; of one that cannot be opened, the run of `candles` says why."""
    try:
        market = opening()
        return market.name, market.known_start(settings.symbols)
    except CryptoFeaturesError as error:
        return f"none ({error})", None
