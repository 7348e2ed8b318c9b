"""What is behind, most upstream first: what a schedule or a rule should have made, and has not."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import groupby, pairwise

import dagster as dg
import polars as pl

from crypto_features.automation.market_now import MarketNow
from crypto_features.errors import CryptoFeaturesError
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.checks.remembered import last_evaluations
from crypto_features.graph.recompute import plan_of
from crypto_features.store import FeastResource
from crypto_features.tables.months import month_of, month_span
from crypto_features.versions.plan import Plan, Stale

MISSED_BY = timedelta(minutes=3)
"""How long after a candle's close the schedule has had its chance."""

Lag = tuple[str, str, tuple[str, ...]]
"""What is wrong, the asset whose run repairs it, and its months; none for an asset without partitions."""


def lagging(at: MarketNow, instance: dg.DagsterInstance) -> Iterator[Lag]:
    if at.catalog.raw.project is None:
        yield from _unfetched(at)
    yield from _stale(at)
    yield from _unpublished(at, instance)


def _unfetched(at: MarketNow) -> Iterator[Lag]:
    months, raw = at.months_to_fetch, at.catalog.raw.name
    if months and (not at.stored or at.now - at.head >= at.settings.interval + MISSED_BY):
        yield raw, raw, months
    if months := at.months_of_late:
        yield f"{raw} of symbols that are late", raw, months
    if months := at.changed_lately:
        yield f"{raw} whose files changed", raw, _first_run(months)
    if months := at.neglected:
        yield f"{raw} that were never asked for", raw, _first_run(months)


def nothing_due(at: MarketNow, instance: dg.DagsterInstance, plan: Plan, feast: FeastResource) -> bool:
    """Whether a run of the whole graph would fetch, compute and publish nothing; `False` where it is not sure."""
    own = [raw for raw in at.catalog.raws.values() if raw.project is None]
    if own != [at.catalog.raw] or not at.stored:  # nobody looks ahead at what a further source has.
        return False
    missing = at.months_to_fetch, at.months_of_late, at.changed, at.neglected, at.new_symbols
    if any(missing) or plan.stale or plan.settled or any(_unpublished(at, instance)):
        return False
    views = [name for name in at.catalog.groups if at.lake.table(name).months()]
    try:
        return not any(feast.online_rows(view).is_empty() for view in views)
    except CryptoFeaturesError:  # nothing is registered, or what is there is damaged: the run says so.
        return False


def blocked_by(repository: dg.RepositoryDefinition, instance: dg.DagsterInstance, asset: str) -> str | None:
    """A blocking check that fails on a table that the asset is made from: until it passes, nothing follows."""
    graph = repository.asset_graph
    for parent in sorted(graph.get(dg.AssetKey(asset.split("/"))).parent_keys):
        blocking = [key for key in graph.get_check_keys_for_assets({parent}) if graph.get(key).blocking]
        for key, evaluation in last_evaluations(instance, blocking).items():
            if not evaluation.passed:
                return f"{key.name} of {key.asset_key.to_user_string()}"
    return None


def _stale(at: MarketNow) -> Iterator[Lag]:
    """What the plan lists and can be made now, table by table, once there are candles."""
    if not at.lake.raw.months():
        return
    first = month_of(at.first_month)
    stale: tuple[Stale, ...] = ()
    with suppress(CryptoFeaturesError, pl.exceptions.PolarsError):  # the sensor `alerts` reports what is damaged.
        stale = plan_of(at.settings).stale
    for asset, items in groupby(stale, key=lambda item: item.asset):
        if months := tuple(item.partition for item in items if item.ready and item.partition >= first):
            yield asset, asset, _first_run(months)


def _unpublished(at: MarketNow, instance: dg.DagsterInstance) -> Iterator[Lag]:
    """The newest month of what was last published before a table that it is made from."""
    registry = registry_asset(at.catalog)
    if at.stored and instance.get_latest_materialization_event(dg.AssetKey(registry.split("/"))) is None:
        yield registry, registry, ()
        return
    for view in at.catalog.groups:
        asset, months = f"online_store/{view}", at.lake.table(view).months()
        if months and _recorded(instance, asset, months[-1]) < _recorded(instance, view, months[-1]):
            yield asset, asset, months[-1:]


def _recorded(instance: dg.DagsterInstance, asset: str, month: str) -> int:
    """Place in Dagster's log of the asset's newest materialization for a month; 0 if there is none."""
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(
        dg.AssetKey(asset.split("/")), dg.DagsterEventType.ASSET_MATERIALIZATION, {month}
    )
    return ids.get(month, 0)


def _first_run(months: Sequence[str]) -> tuple[str, ...]:
    """The first of the months and those that follow it without a gap: one range."""
    for position, (month, following) in enumerate(pairwise(months), 1):
        if month_span(month)[1] != month_span(following)[0]:
            return tuple(months[:position])
    return tuple(months)
