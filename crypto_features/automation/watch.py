"""The alert sensor: what is wrong now, as Dagster's records and the tables show it, reported once by the webhook."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import dagster as dg
import polars as pl

from crypto_features import clock
from crypto_features.automation.alerts import Problem, due, recall, remember, slack
from crypto_features.automation.runs import UNFINISHED
from crypto_features.automation.webhook import ALERTS, HEARTBEAT
from crypto_features.errors import CryptoFeaturesError
from crypto_features.graph.checks.candles import ended_markets
from crypto_features.graph.checks.finding import SAYS_TODO, TODO
from crypto_features.graph.checks.remembered import last_evaluations
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.materialize import innermost
from crypto_features.graph.table_age import table_ages
from crypto_features.host import dagster_private
from crypto_features.ingest.silence import last_candles, silent_symbols, unexpected
from crypto_features.lake.room import MAKE_ROOM, WARN, room, spoken
from crypto_features.lake.table import restoring
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.sources.standing import Standing
from crypto_features.tables.catalog import Catalog

NAME = "alerts"
LOOKED_BACK = timedelta(days=1)
BUILT_WITHIN = timedelta(minutes=30)
RUNS = 200
WILL_RETRY = "dagster/will_retry"
TOLD_OTHERWISE = frozenset({"fresh", "all_current"})
"""Checks of what `troubled_tables` and `silent_markets` look at themselves, also while nothing runs."""


def alert_sensor(
    settings: Settings, catalog: Catalog, checks: Sequence[dg.AssetCheckKey], status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor; without a webhook it only says what it would report."""

    @dg.sensor(
        name=NAME,
        default_status=status,
        minimum_interval_seconds=max(30, int(settings.look_every.total_seconds())),
        description="Tells a person, once, of failed runs, failed checks and stale views, and when they are over, "
        "by the webhook in CRYPTO_FEATURES_ALERT_WEBHOOK; then says so to CRYPTO_FEATURES_HEARTBEAT_URL.",
    )
    def alerts(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SkipReason:
        now, told, ui = clock.now(), recall(context.cursor), settings.ui_url
        problems = [
            *failed_runs(context.instance, ui),
            *failed_ticks(context.instance, ui),
            *failed_checks(context.instance, checks, ui),
            *(
                problem
                for table, problem in troubled_tables(lake, catalog, settings)
                if problem.key in told or not being_made(context.instance, table)
            ),
            *little_room(settings),
            *(
                silent_markets(lake, settings, ended_markets(context.instance, catalog.raw.name))
                if catalog.raw.project is None
                else ()
            ),
        ]
        notice = due(problems, told, now, settings.alert_repeat)
        url = settings.alert_webhook.get_secret_value()
        summary = f"{len(problems)} open problems, all reported" if problems else "nothing is wrong"
        if notice.begun or notice.ended:
            summary = f"{len(notice.begun)} began, {len(notice.ended)} ended"
            if not url:
                return dg.SkipReason(f"{summary}: no webhook is set, so nothing was reported")
            ALERTS.call(url, slack(notice, now))
            context.update_cursor(remember(notice.told))
            summary += ": reported"
        return dg.SkipReason(summary + _beat(settings))

    return alerts


def _beat(settings: Settings) -> str:
    """Say to the heartbeat address, if there is one, that a person would be alerted; what went wrong with it."""
    url = settings.heartbeat_url.get_secret_value()
    try:
        if url:
            HEARTBEAT.call(url)
    except CryptoFeaturesError as error:  # its receiver alerts by itself, and what was reported here stays so.
        return f"; {error}"
    return ""


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
                        action="open the run, read the step that failed, and fix its cause; "
                        "what is left behind is requested again by the sensor `behind`.",
                        url=f"{ui}/runs/{run.run_id}",
                    )
        seen |= {*assets, ", ".join(sorted(assets))}


def failed_ticks(instance: dg.DagsterInstance, ui: str) -> Iterator[Problem]:
    """Schedules and sensors that could not decide: a schedule's last tick, or a sensor's last two, raised an error."""
    status = dagster_private.TickStatus
    over = [status.SKIPPED, status.SUCCESS, status.FAILURE]
    states = [s for s in instance.all_instigator_state() if s.is_running and s.instigator_name != NAME]
    ended = [instance.get_ticks(s.instigator_origin_id, s.selector_id, limit=2, statuses=over) for s in states]
    newest = max((ticks[0].timestamp for ticks in ended if ticks), default=0)
    for state, ticks in zip(states, ended, strict=True):
        kind = "schedule" if state.instigator_type is dagster_private.InstigatorType.SCHEDULE else "sensor"
        # A sensor looks again in seconds: one error may be that of a code server that is being restarted.
        last = ticks[: 1 if kind == "schedule" else 2]
        given_up = not ticks or newest - ticks[0].timestamp > LOOKED_BACK.total_seconds()  # it is in the code no more.
        if not given_up and all(tick.status is status.FAILURE for tick in last):
            yield Problem(
                key=f"tick:{state.instigator_name}",
                title=f"The {kind} {state.instigator_name} fails",
                detail=f"{innermost(ticks[0].error).rstrip('.')}. It asks for no run meanwhile.",
                action=f"fix what the error names; the {kind} looks again by itself.",
                url=f"{ui}/automation",
            )


def failed_checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey], ui: str) -> Iterator[Problem]:
    for key, evaluation in last_evaluations(instance, keys).items():
        if evaluation.passed or key.name in TOLD_OTHERWISE:
            continue
        asset = key.asset_key.to_user_string()
        todo = evaluation.metadata.get(TODO)
        blocking = evaluation.severity is dg.AssetCheckSeverity.ERROR
        yield Problem(
            key=f"check:{asset}:{key.name}",
            title=f"Check failed: {key.name} of {asset}",
            detail=f"{(evaluation.description or '').partition(SAYS_TODO)[0]} "
            + ("Nothing downstream of it is published until it passes." if blocking else "It goes on being published."),
            action=str(todo.value) if todo else "open the check in the UI.",
            url=f"{ui}/assets/{asset}?view=checks",
        )


def troubled_tables(lake: LakeResource, catalog: Catalog, settings: Settings) -> Iterator[tuple[str, Problem]]:
    """Tables whose newest row is too old, or which cannot be read; one that cannot be read hides none of the others.

    Those of another project are watched there.
    """
    for table in catalog.timed:
        if table.project is not None:
            continue
        name, url = table.name, f"{settings.ui_url}/assets/{table.name}"
        try:
            states = list(table_ages(lake, clock.now(), settings.online_grace, [table]))
        except (CryptoFeaturesError, pl.exceptions.PolarsError, OSError) as error:
            seen, todo = f"{error} What is made from it stays as it was.", restoring(name, raw=name in catalog.raws)
            yield name, Problem(f"damaged:{name}", f"Unreadable: {name}", seen, todo, url)
            continue
        for state in states:
            if state.age > state.allowed:
                seen = state.sentence + " The bot reads None for its features, never an old number."
                todo = f"look for a failed run of {name} or of what it is made from, or a failed tick, "
                todo += "then materialize it."
                yield name, Problem(f"stale:{name}", f"Stale: {name}", seen, todo, url)


def little_room(settings: Settings) -> Iterator[Problem]:
    """The disk, long before it is full."""
    free, reserve = room(settings.root), settings.disk_reserve
    if free is not None and free < WARN * reserve:
        goes_on = "No run begins, so tables and online rows grow old" if free < reserve else "Runs go on until then"
        yield Problem(
            key="disk",
            title="The disk is almost full",
            detail=f"{spoken(free)} are left on the disk of {settings.root}; below {spoken(reserve)} no run begins. "
            f"{goes_on}; what is published goes on being served.",
            action=MAKE_ROOM,
        )


def silent_markets(lake: LakeResource, settings: Settings, ended: Mapping[str, Standing]) -> Iterator[Problem]:
    """Symbols that fell silent while others go on; if all did, the table is stale, which is reported once."""
    now = clock.now()
    try:
        last = last_candles(lake.raw)
        silence = silent_symbols(lake.raw, settings, ended, now, partial(source, settings))
    except (CryptoFeaturesError, pl.exceptions.PolarsError, OSError):
        return  # `troubled_tables` reports what cannot be read.
    if last.keys() <= {one.symbol for one in silence}:
        return
    for one in unexpected(silence, settings, now):
        yield Problem(
            key=f"silent:{one.symbol}",
            title=f"{one.symbol} is {one.standing}",
            detail=f"{one.sentence}. The bot reads EXPIRED for it, never an old number; other symbols go on.",
            action=one.todo,
            url=f"{settings.ui_url}/assets/{lake.raw.name}",
        )


def being_made(instance: dg.DagsterInstance, table: str) -> bool:
    """Whether a run of the table began a short while ago and goes on: what is late will be there soon."""
    asset = dg.AssetKey(table)
    return any(
        asset in (record.dagster_run.asset_selection or {asset})
        and dagster_private.get_current_datetime() - record.create_timestamp < BUILT_WITHIN
        for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    )


def _causes(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        found[event.step_key or run_id] = innermost(event.step_failure_data.error) or entry.user_message
    return found
