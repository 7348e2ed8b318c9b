"""OpenLineage events of every run and table, with column lineage, switched on by `CRYPTO_FEATURES_OPENLINEAGE`."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from crypto_features.errors import SettingsError, TransientError
from crypto_features.settings import Settings

NAMESPACE = "crypto-features"
RUNS_A_LOOK = 20
Kind = dg.DagsterEventType
ENDED = (Kind.RUN_SUCCESS, Kind.RUN_FAILURE, Kind.RUN_CANCELED)
SENT = {Kind.RUN_START, Kind.ASSET_MATERIALIZATION, Kind.ASSET_CHECK_EVALUATION, *ENDED}


def lineage_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> Sequence[dg.SensorDefinition]:
    """The sensor that turns Dagster's event log into OpenLineage events; none if the setting is empty.

    The sensor of dagster-openlineage needs one log for all runs, which SQLite does not have; this one reads the log of
    each run once it has ended, on every storage.

    Raises:
        SettingsError: if the extra `openlineage` is not installed.
    """
    if not settings.openlineage:
        return []
    adapter = _adapter(settings.openlineage)

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=int(settings.look_every.total_seconds()),
        default_status=status,
        description="Sends what runs did, and which column came from which, as OpenLineage events.",
    )
    def openlineage(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursors: dict[str, str] = json.loads(context.cursor or "{}")
        sent = 0
        for kind in ENDED:
            ended = context.instance.fetch_run_status_changes(kind, RUNS_A_LOOK, cursors.get(kind.name), ascending=True)
            for record in ended.records:
                _send(adapter, context, record.event_log_entry.run_id)
                sent += 1
            cursors[kind.name] = ended.cursor
            context.update_cursor(json.dumps(cursors))
        return dg.SkipReason(f"sent the events of {sent} runs")

    return [openlineage]


def _send(adapter: Any, context: dg.SensorEvaluationContext, run_id: str) -> None:
    graph = context.repository_def.asset_graph if context.repository_def else None
    for entry in context.instance.all_logs(run_id, of_type=SENT):
        event, at = entry.get_dagster_event(), entry.timestamp
        job = event.job_name
        if event.event_type is Kind.RUN_START:
            adapter.start_pipeline(job, run_id, at)
        elif event.event_type is Kind.RUN_SUCCESS:
            adapter.complete_pipeline(job, run_id, at)
        elif event.event_type is Kind.RUN_FAILURE:
            adapter.fail_pipeline(job, run_id, at)
        elif event.event_type is Kind.RUN_CANCELED:
            adapter.cancel_pipeline(job, run_id, at)
        elif event.event_type is Kind.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            adapter.asset_check_evaluation(check.asset_key, [check], run_id, at)
        else:
            made = event.step_materialization_data.materialization
            parents = sorted(graph.get(made.asset_key).parent_keys) if graph and graph.has(made.asset_key) else []
            adapter.asset_materialization(
                made.asset_key,
                run_id,
                at,
                metadata=made.metadata,
                upstream_asset_keys=parents,
                partition_key=made.partition,
            )


def _adapter(target: str) -> Any:
    try:
        from dagster_openlineage import OpenLineageAdapter
        from openlineage.client import OpenLineageClient
    except ImportError:
        raise SettingsError(
            "CRYPTO_FEATURES_OPENLINEAGE needs dagster-openlineage: pip install 'crypto-features[openlineage]'."
        ) from None
    client = OpenLineageClient(config={"transport": _transport(target)})
    return OpenLineageAdapter(namespace=os.environ.get("OPENLINEAGE_NAMESPACE", NAMESPACE), emitter=_Emitter(client))


def _transport(target: str) -> Mapping[str, object]:
    if not target.startswith(("http://", "https://")):
        return {"type": "file", "log_file_path": str(Path(target).absolute()), "append": True}
    key = os.environ.get("OPENLINEAGE_API_KEY")
    return {"type": "http", "url": target, "retry": {"total": 0}} | (
        {"auth": {"type": "api_key", "apiKey": key}} if key else {}
    )


class _Emitter:
    """Lets no failed event pass: the tick fails, and the next one sends the run's events again."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def emit(self, event: Any) -> None:
        try:
            self._client.emit(event)
        except Exception as error:  # noqa: BLE001 - a transport may raise anything; its text may hold the address.
            raise TransientError(
                f"an OpenLineage event could not be sent ({type(error).__name__}); the next look sends it again. See "
                "CRYPTO_FEATURES_OPENLINEAGE."
            ) from None
