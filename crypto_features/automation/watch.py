"""The alert sensor: what is wrong now, as Dagster's records and the tables show it, told once by the webhook."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import dagster as dg

from crypto_features import clock
from crypto_features.assets.freshness import freshness_of
from crypto_features.assets.lake import LakeResource
from crypto_features.automation.alerts import Problem, due, post, recall, remember, slack
from crypto_features.settings import Settings

LOOKED_BACK = timedelta(days=1)
RUNS = 200
WILL_RETRY = "dagster/will_retry"


def alert_sensor(
    settings: Settings, checks: Sequence[dg.AssetCheckKey], status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor; without a webhook it only says what it would tell."""

    @dg.sensor(
        name="alerts",
        default_status=status,
        minimum_interval_seconds=max(30, int(settings.look_every.total_seconds())),
        description="Tells a person, once, of failed runs, failed checks and stale views, and when they are over, "
        "by the webhook in CRYPTO_FEATURES_ALERT_WEBHOOK.",
    )
    def alerts(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason:
        now = clock.now()
        problems = [
            *failed_runs(context.instance, settings.ui_url),
            *failed_checks(context.instance, checks, settings.ui_url),
            *stale_tables(lake, settings),
        ]
        notice = due(problems, recall(context.cursor), now, settings.alert_repeat)
        if not notice.begun and not notice.ended:
            return dg.SkipReason(f"{len(problems)} open problems, all told" if problems else "nothing is wrong")
        url = settings.alert_webhook.get_secret_value()
        if url:
            post(url, slack(notice, now))
        context.update_cursor(remember(notice.told))
        told = "told" if url else "no webhook is set, nobody was told"
        return dg.SkipReason(f"{len(notice.begun)} began, {len(notice.ended)} ended: {told}")

    return alerts


def failed_runs(instance: dg.DagsterInstance, ui: str) -> Iterator[Problem]:
    """Each asset that failed in the newest run of it, within a day of the newest run, and is not tried again by itself.

    Whatever ran an asset since, a schedule, a sensor or a person, tells whether its failure is over.
    """
    seen: set[str] = set()
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(dg.RunsFilter(statuses=finished), limit=RUNS)
    for record in records:
        if records[0].update_timestamp - record.update_timestamp > LOOKED_BACK:
            break
        run = record.dagster_run
        assets = {"__".join(key.path): key.to_user_string() for key in run.asset_selection or ()}
        assets = assets or {run.job_name: run.job_name}
        if run.status is dg.DagsterRunStatus.FAILURE and run.tags.get(WILL_RETRY) != "true":
            causes = _causes(instance, run.run_id)
            for step, cause in causes.items() or [
                (", ".join(sorted(assets)), "It ended before its first step failed.")
            ]:
                if step not in seen:
                    seen.add(step)
                    yield Problem(
                        key=f"run:{step}",
                        title=f"Run failed: {assets.get(step, step)}",
                        detail=f"{cause.rstrip('.')}. What was published before stays as it was.",
                        action="open the run, read the step that failed, and mend its cause; "
                        "what is left behind is asked for again by the sensor `behind`.",
                        url=f"{ui}/runs/{run.run_id}",
                    )
        seen |= {*assets, ", ".join(sorted(assets))}


def failed_checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], ui: str) -> Iterator[Problem]:
    """Checks whose newest evaluation failed."""
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    for key, record in found.items():
        evaluation = record.event and record.event.dagster_event and record.evaluation
        if record.status is not AssetCheckExecutionRecordStatus.FAILED or not evaluation:
            continue
        asset = key.asset_key.to_user_string()
        todo = evaluation.metadata.get("what to do")
        blocking = evaluation.severity is dg.AssetCheckSeverity.ERROR
        yield Problem(
            key=f"check:{asset}:{key.name}",
            title=f"Check failed: {key.name} of {asset}",
            detail=f"{evaluation.description or ''} "
            + ("Nothing downstream of it is published until it passes." if blocking else "It goes on being published."),
            action=str(todo.value) if todo else "open the check in the UI.",
            url=f"{ui}/assets/{asset}?view=checks",
        )


def stale_tables(lake: LakeResource, settings: Settings) -> Iterator[Problem]:
    """Tables whose newest row is older than they may be."""
    for state in freshness_of(lake, clock.now(), settings.online_grace):
        if not state.fresh:
            yield Problem(
                key=f"stale:{state.table}",
                title=f"Stale: {state.table}",
                detail=state.sentence + " The bot reads None for its features, never an old number.",
                action=f"look for a failed run of {state.table} or of what it is made from, then materialize it.",
                url=f"{settings.ui_url}/assets/{state.table}",
            )


def _causes(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The innermost message of each step that failed."""
    found: dict[str, str] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        found[event.step_key or run_id] = error.message.strip() if error else entry.user_message
    return found
