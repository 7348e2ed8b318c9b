"""What is behind, most upstream first: what a schedule or a rule should have made, and has not."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from crypto_features.assets.checks.remembered import last_evaluations
from crypto_features.assets.progress import outdated
from crypto_features.assets.regime_model import NAME as MODEL
from crypto_features.assets.regime_model import is_fitted
from crypto_features.automation.market_now import MarketNow
from crypto_features.errors import CryptoFeaturesError
from crypto_features.features import GROUPS, SERVICES
from crypto_features.features.months import month_span

MISSED_BY = timedelta(minutes=3)
"""How long after a candle's close the schedule has had its chance."""

BARS = {
    "daily_candles": "candles",
    **{name: "candles" if group.interval is None else "daily_candles" for name, group in GROUPS.items()},
}
READS = {
    **{f"online_store/{name}": (name,) for name in GROUPS},
    "training/ml_training_features": tuple(SERVICES["ml_training_features"].features),
}
"""What is published from tables, and has no file that says from which content."""

Lag = tuple[str, str, tuple[str, ...]]
"""What is wrong, the asset that mends it, and its months; none for an asset without partitions."""


def lagging(at: MarketNow, instance: dg.DagsterInstance) -> Iterator[Lag]:
    """Every asset that is behind."""
    months = at.months_to_fetch
    if months and (not at.stored or at.now - at.head >= at.settings.interval + MISSED_BY):
        yield "candles", "candles", months
    if months := at.months_of_late:
        yield "candles of symbols that are late", "candles", months
    if months := at.neglected:
        yield "candles that were never asked for", "candles", _first_run(months)
    for name, bars in BARS.items():
        if name == "regime_features":
            yield from _models(at)
        try:
            months = outdated(at.lake, name, bars, at.now) if at.lake.table(bars).months() else ()
        except (CryptoFeaturesError, pl.exceptions.PolarsError):
            continue  # a damaged partition is told by the sensor `alerts`, and holds up no other table.
        if months:
            yield name, name, months
    yield from _unpublished(at, instance)


def blocked_by(graph: BaseAssetGraph[Any], instance: dg.DagsterInstance, asset: str) -> str | None:
    """A blocking check that fails on a table that the asset is made from: until it passes, nothing follows."""
    for parent in sorted(graph.get(dg.AssetKey(asset.split("/"))).parent_keys):
        blocking = [key for key in graph.get_check_keys_for_assets({parent}) if graph.get(key).blocking]
        for key, evaluation in last_evaluations(instance, blocking).items():
            if not evaluation.passed:
                return f"{key.name} of {key.asset_key.to_user_string()}"
    return None


def _models(at: MarketNow) -> Iterator[Lag]:
    wanted = at.lake.table("price_features").months()
    if missing := tuple(month for month in wanted if not is_fitted(at.lake.path, month)):
        yield MODEL, MODEL, missing


def _unpublished(at: MarketNow, instance: dg.DagsterInstance) -> Iterator[Lag]:
    """The newest month of what was last published before a table that it is made from."""
    registry = dg.AssetKey("feast_registry")
    if at.stored and instance.get_latest_materialization_event(registry) is None:
        yield "feast_registry", "feast_registry", ()
        return
    for asset, tables in READS.items():
        newest = [months[-1] for table in tables if (months := at.lake.table(table).months())]
        if newest:
            month = min(newest)
            made = _recorded(instance, asset, month)
            if any(made < _recorded(instance, table, month) for table in tables):
                yield asset, asset, (month,)


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
