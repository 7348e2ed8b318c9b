"""What Dagster recorded last of each asset."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg

from crypto_features.automation.runs import UNFINISHED
from crypto_features.health.state import LastRun
from crypto_features.host import dagster_private


def last_runs(instance: dg.DagsterInstance, assets: Iterable[str]) -> Mapping[str, LastRun]:
    """The newest run that was to make each asset, of those that have one."""
    keys = [dg.AssetKey(asset.split("/")) for asset in assets]
    named = {
        record.asset_entry.asset_key: record.asset_entry.last_run_id
        for record in instance.get_asset_records(keys)
        if record.asset_entry.last_run_id
    }
    ids = sorted({run_id for run_id in named.values() if run_id})
    records = {r.dagster_run.run_id: r for r in instance.get_run_records(dg.RunsFilter(run_ids=ids))} if ids else {}
    steps = {run_id: {s.step_key: s.status for s in instance.get_run_step_stats(run_id)} for run_id in records}
    return {
        key.to_user_string(): _of(records[run_id], steps[run_id].get("__".join(key.path)))
        for key, run_id in named.items()
        if run_id in records
    }


def _of(record: dg.RunRecord, step: object) -> LastRun:
    run = record.dagster_run
    seconds = record.end_time or record.start_time or record.create_timestamp.timestamp()
    at = datetime.fromtimestamp(seconds, UTC)
    if run.status in UNFINISHED:
        result = "running"
    elif run.status is dg.DagsterRunStatus.CANCELED:
        result = "canceled"
    elif step is None:
        result = "ok" if run.is_success else "skipped"
    else:
        result = "ok" if step is dagster_private.StepEventStatus.SUCCESS else "failed"
    return LastRun(run.run_id, at, dagster_private.get_current_datetime() - at, result)
