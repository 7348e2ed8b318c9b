"""Checks whose newest evaluation failed."""

from collections.abc import Iterator, Sequence

import dagster as dg


def failing(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> Iterator[dg.AssetCheckEvaluation]:
    """The evaluations of those checks that failed when they were last asked."""
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    for record in instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys)).values():
        evaluation = record.event and record.event.dagster_event and record.evaluation
        if record.status is AssetCheckExecutionRecordStatus.FAILED and evaluation:
            yield evaluation


def stops(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether nothing downstream is published until the check passes."""
    return evaluation.severity is dg.AssetCheckSeverity.ERROR
