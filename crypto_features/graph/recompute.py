"""The plan of a real data folder: what is stale in it now, and why."""

from collections.abc import Sequence
from functools import cache

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.lake.folder import Folder
from crypto_features.lake.history import history_of
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.node import Node, node_of
from crypto_features.tables.read import Terms
from crypto_features.training.rows import training_node
from crypto_features.versions.forecast import make_plan
from crypto_features.versions.measured import current_definitions, versions
from crypto_features.versions.plan import MISSING, Plan, Reason, Settled, Stale

EVERY_MONTH = "every month"
"""The partition that stands for all of a table while no candle is stored."""


def plan_of(settings: Settings, *, confirm: frozenset[Reason] = frozenset(), refit: str | None = None) -> Plan:
    """What a full build of the data folder would change.

    Args:
        settings: Of the platform.
        confirm: The reasons of which partitions are listed only if computing them in memory gives other values, as
            `make_plan` takes them.
        refit: From which month on published models are held against a new fit.
    """
    catalog = current_catalog()
    graph, folder = tables_of(settings, catalog), Folder(settings.root, catalog)
    published = folder.published()
    if not published.months(catalog.raw.name):
        tables = (catalog.raw.name, *(node.name for node in graph))
        return Plan(tuple(Stale(name, EVERY_MONTH, Reason.NEVER_BUILT, (MISSING,)) for name in tables))
    return make_plan(
        graph, published, folder.read, now=clock.now(), confirm=confirm, refit=refit, corrected=folder.corrected
    )


def renote(settings: Settings, settled: Sequence[Settled]) -> None:
    """Note of partitions whose content is right by what code and from what inputs it would be computed now."""
    folder = Folder(settings.root, current_catalog())
    for item in settled:
        folder.renote(item)


def tables_of(settings: Settings, catalog: Catalog) -> tuple[Node, ...]:
    """Every table that is computed, each after those that it reads."""
    terms = Terms(settings.interval, clock.now(), settings.late_wait, settings.min_completeness)

    past = cache(lambda: history_of(settings, catalog))
    code = {"versions": versions(), "definitions": current_definitions()}
    computed = (node_of(table, **code, terms=terms) for table in catalog.computed)
    trained = (training_node(one, catalog, past, **code, interval=terms.interval) for one in catalog.training)
    return (*computed, *trained)
