"""The recompute plan as the graph shows it: what is stale once a run is over, and why."""

from collections.abc import Iterable

import dagster as dg

from crypto_features.graph.asset_names import plan_asset
from crypto_features.graph.recompute import plan_of
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.plan import Stale


def recompute_plan(catalog: Catalog) -> dg.AssetsDefinition:
    """The asset that records what is stale, after everything that is computed."""

    @dg.asset(
        key=plan_asset(catalog).split("/"),
        group_name="features",
        kinds={"python"},
        owners=["team:research"],
        description="Every partition that has to be computed again, with the reason, as `crypto-features plan` lists "
        "them; empty when a run left nothing behind.",
        deps=[*(t.name for t in catalog.computed), *(t.name.split("/") for t in catalog.training)],
    )
    def recompute_plan() -> dg.MaterializeResult[None]:
        stale = plan_of(Settings.load()).stale
        return dg.MaterializeResult(
            metadata={"stale": dg.MetadataValue.int(len(stale)), "plan": dg.MetadataValue.md(_markdown(stale))}
        )

    return recompute_plan


def _markdown(stale: Iterable[Stale]) -> str:
    rows = [f"| {s.asset} | {s.partition} | {s.reason.value} | {', '.join(s.details)} |" for s in stale]
    head = ["| Asset | Partition | Reason | Details |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) if rows else "Nothing is stale."
