"""Dagster's records of runs, without those that are old and of which nothing is the newest of its kind any more.

What Dagster, the sensors and the checks go by is the newest event of each partition of an asset and the newest result
of each check. So a run that has any of these stays, however old: at most one of each kind for each of them.
"""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sql

from crypto_features.host import dagster_private

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
PAGE = 500
_OUTPUT = (".out", ".err", ".complete", ".partial")
"""How the names of files end that hold what a step or a sensor printed."""
_NEWEST = """
SELECT run_id FROM event_logs WHERE id IN (
    SELECT max(id) FROM event_logs WHERE asset_key IS NOT NULL GROUP BY dagster_event_type, asset_key, partition)
UNION SELECT run_id FROM asset_check_executions WHERE id IN (
    SELECT max(id) FROM asset_check_executions GROUP BY execution_status, asset_key, check_name, partition)
"""


def forget_runs(instance: dg.DagsterInstance, keep: timedelta) -> int:
    """Delete what is recorded of runs that began longer ago than `keep`, and what older ones printed; how many runs.

    A run that goes on stays, and so does one that made the newest of anything. Killed at any point, it goes on next
    time.
    """
    before = dagster_private.get_current_datetime() - keep
    kept = _newest(instance)
    old = [
        run_id
        for run_id in _finished(instance, dg.RunsFilter(statuses=FINISHED, created_before=before))
        if run_id not in kept
    ]
    for run_id in old:
        _forget(instance, run_id)
    _forget_output(instance, before.timestamp())
    return len(old)


def _newest(instance: dg.DagsterInstance) -> set[str]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined] # of each SQL storage.
        return {row[0] for row in connection.execute(sql.text(_NEWEST))}


def _finished(instance: dg.DagsterInstance, which: dg.RunsFilter) -> Iterator[str]:
    cursor: str | None = None
    while page := instance.get_run_records(which, limit=PAGE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        yield from (record.dagster_run.run_id for record in page)


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    log = instance.event_log_storage
    with log.index_connection() as connection:  # type: ignore[attr-defined] # as above.
        log.delete_events_for_run(connection, run_id)  # type: ignore[attr-defined] # as above.
        connection.execute(sql.text("DELETE FROM asset_check_executions WHERE run_id = :run"), {"run": run_id})
    if isinstance(log, dagster_private.SqliteEventLogStorage):
        for end in ("", "-wal", "-shm"):
            Path(log.path_for_shard(run_id) + end).unlink(missing_ok=True)
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
    # Last, since what is not in this record any more is not looked for again.
    instance.run_storage.delete_run(run_id)


def _forget_output(instance: dg.DagsterInstance, before: float) -> None:
    """What was printed by runs that stay, and by sensors and schedules."""
    for file in Path(instance.storage_directory()).rglob("*"):
        if file.suffix in _OUTPUT and file.is_file() and file.stat().st_mtime < before:
            file.unlink(missing_ok=True)
