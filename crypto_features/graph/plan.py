"""The recompute plan as the graph shows it: what is stale once a run is over, and why."""

from collections.abc import Iterable

import dagster as dg

from crypto_features.graph.recompute import plan_of
from crypto_features.settings import Settings
from crypto_features.shipped.registry import GROUPS
from crypto_features.tables.graph import DAILY, MODEL
from crypto_features.training.rows import TRAINED
from crypto_features.versions.plan import Stale


@dg.asset(
    group_name="features",
    kinds={"python"},
    owners=["team:research"],
    description="Every partition that has to be computed again, with the reason, as `crypto-features plan` lists them; "
    "empty when a run left nothing behind.",
    deps=[DAILY, MODEL, *GROUPS, *(["training", service.name] for service in TRAINED)],
)
def recompute_plan() -> dg.MaterializeResult[None]:
    """Compare declarations and published notes, and record what is stale."""
    stale = plan_of(Settings.load()).stale
    return dg.MaterializeResult(
        metadata={"stale": dg.MetadataValue.int(len(stale)), "plan": dg.MetadataValue.md(_markdown(stale))}
    )


def _markdown(stale: Iterable[Stale]) -> str:
    rows = [f"| {s.asset} | {s.partition} | {s.reason.value} | {', '.join(s.details)} |" for s in stale]
    head = ["| Asset | Partition | Reason | Details |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) if rows else "Nothing is stale."
