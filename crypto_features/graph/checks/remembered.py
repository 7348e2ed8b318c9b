"""What is wrong in a month stays wrong until that month is right, whichever months later runs look at."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from crypto_features.graph.checks.finding import MONTHS, Finding

TRIES = 50
"""How many runs in a row may die before a check, and its last evaluation is still found."""

Look = Callable[[Sequence[str]], Mapping[str, Finding]]
"""What the checks of an asset find in some months, by name of the check."""


def judged(
    instance: dg.DagsterInstance, asset: str, months: Sequence[str], published: Sequence[str], look: Look
) -> dict[str, Finding]:
    """The findings in those months; where they are good, and others failed before and are still published, in those.

    Dagster keeps one state a check, not one a month: without this a run over a good month would end the failure of a
    bad one, and let through what a blocking check must hold back.
    """
    found = {name: finding.of(months) for name, finding in look(months).items()}
    again: dict[tuple[str, ...], Mapping[str, Finding]] = {}
    for name, failed in _failed_months(instance, asset, list(found)).items():
        others = tuple(month for month in failed if month in published and month not in months)
        if not others:
            continue
        if not found[name].passed:
            found[name] = found[name].of(sorted({*months, *others}))
            continue
        if others not in again:
            again[others] = look(others)
        if not again[others][name].passed:
            found[name] = again[others][name].of(others)
    return found


def last_evaluations(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, dg.AssetCheckEvaluation]:
    """The newest evaluation of each check that has one, also while a run plans the next, or died before it."""
    return {key: evaluation for key, (evaluation, _) in last_looks(instance, keys).items()}


def last_looks(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, tuple[dg.AssetCheckEvaluation, datetime]]:
    """What `last_evaluations` gives, each with the time of the evaluation, UTC."""
    log = instance.event_log_storage
    found = {}
    for key, latest in log.get_latest_asset_check_execution_by_key(list(keys)).items():
        planned = not isinstance(latest.evaluation, dg.AssetCheckEvaluation)
        for record in log.get_asset_check_execution_history(key, limit=TRIES) if planned else [latest]:
            if isinstance(record.evaluation, dg.AssetCheckEvaluation) and record.event is not None:
                found[key] = (record.evaluation, datetime.fromtimestamp(record.event.timestamp, UTC))
                break
    return found


def _failed_months(instance: dg.DagsterInstance, asset: str, names: Sequence[str]) -> dict[str, list[str]]:
    """By name of a check that failed at its last evaluation, the months that it looked at then."""
    keys = [dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name) for name in names]
    failed = {}
    for key, evaluation in last_evaluations(instance, keys).items():
        noted = None if evaluation.passed else evaluation.metadata.get(MONTHS)
        if isinstance(noted, dg.JsonMetadataValue) and isinstance(noted.value, list):
            failed[key.name] = [str(month) for month in noted.value]
    return failed
