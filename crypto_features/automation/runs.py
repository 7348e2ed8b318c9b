"""Runs as automation asks for them, and whether one is going already."""

from collections.abc import Mapping, Sequence

import dagster as dg

from crypto_features.graph.materialize import range_tags

UNFINISHED = [dg.DagsterRunStatus[name] for name in ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")]


def going(instance: dg.DagsterInstance, job: str | None = None) -> str | None:
    """Why a tick should be skipped: a run of that job, or any run, is queued or going; none if there is none."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED, job_name=job), limit=1)
    if not runs:
        return None
    run = runs[0]
    return f"run {run.run_id[:8]} of {run.job_name} is {run.status.value.lower()}; the next tick looks again"


def request(
    key: str, months: Sequence[str], assets: Sequence[str] = (), config: Mapping[str, object] | None = None
) -> dg.RunRequest:
    """One run over a range of months; the same key never runs twice."""
    return dg.RunRequest(
        run_key=key,
        tags=range_tags(months[0], months[-1]) if months else {},
        asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets] or None,
        run_config=dict(config or {}),
    )
