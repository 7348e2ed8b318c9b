"""Dagster's records of runs, without those that are old and of which nothing is the newest of its kind any more.

What Dagster, the sensors and the checks go by is the newest event of each partition of an asset and the newest result
of each check. So a run that has any of these stays, however old: at most one of each kind for each of them.
"""

import glob
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


BY_COMMAND: Mapping[str, Sequence[str]] = {"command": ("crypto-features run", "crypto-features plan --run")}
"""The tags of runs that a command of ours executes itself."""


def of_location(run: dg.DagsterRun) -> Mapping[str, str] | None:
    """The tags of all runs of a run's code location; `None` of one that was not launched from one."""
    origin = run.remote_job_origin
    return {dagster_private.REPOSITORY_LABEL_TAG: origin.repository_origin.get_label()} if origin else None


def forget_runs(
    instance: dg.DagsterInstance, keep: timedelta, tags: Mapping[str, str | Sequence[str]] = BY_COMMAND
) -> int:
    """Delete what is recorded of runs that began longer ago than `keep`, and what older ones printed; how many runs.

    A run that goes on stays, and so does one that made the newest of anything. Killed at any point, it goes on next
    time.

    Args:
        instance: A Dagster, which may have runs of others.
        keep: How long a run is kept.
        tags: Which runs are ours.
    """
    before = dagster_private.get_current_datetime() - keep
    kept, forgotten = _newest(instance), 0
    chosen = {name: value if isinstance(value, str) else [*value] for name, value in tags.items()}
    for run_id in [*_runs(instance, dg.RunsFilter(statuses=FINISHED, created_before=before, tags=chosen))]:
        if run_id in kept:
            _forget_output(Path(instance.storage_directory(), run_id), before.timestamp())
        else:
            _forget(instance, run_id)
            forgotten += 1
    return forgotten


def forget_ticks(instance: dg.DagsterInstance, keep: timedelta, names: Iterable[str]) -> None:
    """Delete what ticks of schedules and sensors printed that ended longer ago than `keep`."""
    before = dagster_private.get_current_datetime() - keep
    for name in names:
        for folder in Path(instance.storage_directory()).glob(f"*/{glob.escape(name)}"):
            _forget_output(folder, before.timestamp())


def _newest(instance: dg.DagsterInstance) -> set[str]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined] # of each SQL storage.
        return {row[0] for row in connection.execute(sql.text(_NEWEST))}


def _runs(instance: dg.DagsterInstance, which: dg.RunsFilter) -> Iterator[str]:
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


def _forget_output(folder: Path, before: float) -> None:
    for file in folder.rglob("*"):
        if file.suffix in _OUTPUT and file.is_file() and file.stat().st_mtime < before:
            file.unlink(missing_ok=True)
