"""The sensor that shows a live process in the graph: observations of the online views, and the check of its lag."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import dagster as dg

from crypto_features import clock
from crypto_features.graph.checks.finding import Finding
from crypto_features.graph.checks.lag import NAME, facts, punctual
from crypto_features.graph.checks.remembered import last_evaluations
from crypto_features.graph.lake import LakeResource
from crypto_features.lake import live_status
from crypto_features.lake.live_status import LiveStatus
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.months import month_of
from crypto_features.whole_file import on_disk

_EVERY = timedelta(minutes=10)
"""How often a view is observed at most: Dagster keeps each observation."""


class Seen(NamedTuple):
    """What was last observed of a view: its newest row, and when that was."""

    newest: str
    at: str


def live_sensor(settings: Settings, catalog: Catalog, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor; where nothing runs live it says so."""

    @dg.sensor(
        name="live",
        default_status=status,
        minimum_interval_seconds=int(settings.look_every.total_seconds()),
        description="Shows how `crypto-features live` is: observations of the online views, and the check `lag`, which "
        "fails while a live row is due for longer than CRYPTO_FEATURES_LIVE_LAG.",
    )
    def live(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
        folder = on_disk(lake.path)
        found = None if folder is None else live_status.read(folder)
        if found is None:
            return dg.SkipReason("`crypto-features live` never ran on this data folder")
        seen = {view: Seen(*row) for view, row in json.loads(context.cursor or "{}").items()}
        keys = {view: dg.AssetCheckKey(_asset(view), NAME) for view in found.newest if view in catalog.groups}
        evaluated = last_evaluations(context.instance, [*keys.values()])
        passed = {view: evaluated[key].passed if key in evaluated else None for view, key in keys.items()}
        events, told = reported(found, clock.now(), settings.live_lag, seen, passed)
        if not events:
            return dg.SkipReason("stopped" if found.stopped else "nothing is new")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(told))

    return live


def reported(
    status: LiveStatus,
    now: datetime,
    limit: timedelta,
    seen: Mapping[str, Seen],
    passed: Mapping[str, bool | None],
) -> tuple[list[dg.AssetObservation | dg.AssetMaterialization | dg.AssetCheckEvaluation], dict[str, Seen]]:
    """What is new about a live process, and what to remember of it.

    Args:
        status: What the process says.
        now: The time, UTC.
        limit: How long a row may be due.
        seen: What was remembered.
        passed: By view of the graph, whether the check passed the last time; none if it never ran.
    """
    events: list[dg.AssetObservation | dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
    told = dict(seen)
    for view in passed.keys() & status.newest.keys():
        newest, last = status.newest[view], seen.get(view, Seen("", ""))
        finding = punctual(status, view, now, limit)
        if finding.passed != passed[view]:
            events.append(_evaluation(_asset(view), finding))
        waited = not last.at or now - datetime.fromisoformat(last.at) >= _EVERY
        if newest.isoformat() != last.newest and waited and not status.stopped:
            shown = facts(status, view, now)
            month = month_of(newest - timedelta.resolution)
            events.append(dg.AssetObservation(_asset(view), metadata=shown, partition=month))
            told[view] = Seen(newest.isoformat(), now.isoformat())
    return events, told


def _asset(view: str) -> dg.AssetKey:
    return dg.AssetKey(["online_store", view])


def _evaluation(key: dg.AssetKey, finding: Finding) -> dg.AssetCheckEvaluation:
    """A finding that no run came to, as Dagster records it."""
    result = finding.result(key, NAME, dg.AssetCheckSeverity.WARN)
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=NAME,
        passed=finding.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )
