"""The plan of a real data folder: what is stale in it now, and why."""

from collections.abc import Sequence
from functools import cache

from crypto_features import clock
from crypto_features.known.history import History
from crypto_features.lake.folder import Folder
from crypto_features.lake.history import history
from crypto_features.settings import Settings
from crypto_features.shipped.registry import GROUPS
from crypto_features.tables.graph import RAW, Node, nodes
from crypto_features.training.rows import TRAINED, training_node
from crypto_features.versions.forecast import make_plan
from crypto_features.versions.measured import definitions, versions
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
    graph = tables_of(settings)
    folder = Folder(settings.root, [node.name for node in graph])
    published = folder.published()
    if not published.months(RAW):
        tables = (RAW, *(node.name for node in graph))
        return Plan(tuple(Stale(name, EVERY_MONTH, Reason.NEVER_BUILT, (MISSING,)) for name in tables))
    return make_plan(
        graph, published, folder.read, now=clock.now(), confirm=confirm, refit=refit, corrected=folder.corrected
    )


def renote(settings: Settings, settled: Sequence[Settled]) -> None:
    """Note of partitions whose content is right by what code and from what inputs it would be computed now."""
    folder = Folder(settings.root, ())
    for item in settled:
        folder.renote(item)


def tables_of(settings: Settings) -> tuple[Node, ...]:
    """Every table that is computed, each after those that it reads."""
    interval, wait, least = settings.interval, settings.late_wait, settings.min_completeness

    @cache
    def past() -> History:
        return history(settings.root, interval=interval, wait=wait, min_completeness=least)

    computed = nodes(
        GROUPS.values(),
        versions(),
        definitions(),
        interval=interval,
        now=clock.now(),
        wait=wait,
        min_completeness=least,
    )
    return (*computed, *(training_node(service, past, versions(), interval) for service in TRAINED))
