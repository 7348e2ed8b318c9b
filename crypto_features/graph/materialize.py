"""Materializing the whole graph in this process, as one Dagster run, and what came of it."""

import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from crypto_features.errors import CryptoFeaturesError
from crypto_features.host.dagster_private import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from crypto_features.host.process import TAG, this_process

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Built:
    """What a run recorded of one asset; rows and span are None where the asset has none.

    Args:
        asset: Its key, such as `online_store/price_features`.
        rows: Rows written, over all partitions.
        symbols: The most symbols in any partition.
        first: Earliest time of a row.
        last: Latest time of a row.
        seconds: Wall time of its step.
    """

    asset: str
    rows: int | None
    symbols: int | None
    first: datetime | None
    last: datetime | None
    seconds: float


_OURS = re.compile(r"crypto_features(?:_reader)?\.[\w.]+Error: ")


class RunFailedError(CryptoFeaturesError):
    """A step of the run failed; the message is that of its cause."""


def materialize_all(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    months: Sequence[str],
    *,
    leave_out: Collection[str] = (),
    on_finished: Callable[[Built], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
) -> list[Built]:
    """Materialize assets, every one by default, over a range of months in one run, in this process.

    Args:
        definitions: The code location.
        instance: Where the run is recorded.
        months: First and last month.
        leave_out: Assets that are not materialized, such as training sets that are built whole.
        on_finished: Called with each asset as soon as its step ends.
        on_message: Called with what a step logs, such as the progress of a long fetch.

    Raises:
        RunFailedError: if a step fails or a blocking check does; assets upstream of it are published.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    run_id, events, built = str(uuid.uuid4()), [], []

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            on_message(entry.user_message)
            return
        events.append(event)
        if event.is_step_success and event.step_key:
            mine = [e for e in events if e.step_key == event.step_key]
            built.extend(finished := list(_built(mine, event.step_success_data.duration_ms / 1000)))
            for one in finished:
                on_finished(one)

    instance.add_event_listener(run_id, listen)
    result = job.execute_in_process(
        run_config=QUIET,
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        tags=command_tags(months[0], months[-1]),
        asset_selection=all_but(job, leave_out),
    )
    if not result.success:
        raise RunFailedError(cause(events))
    order = [a.key.to_user_string() for a in definitions.assets or () if isinstance(a, dg.AssetsDefinition)]
    return sorted(built, key=lambda asset: order.index(asset.asset))


def all_but(job: dg.JobDefinition, leave_out: Collection[str]) -> list[dg.AssetKey] | None:
    """The assets of a job that are not left out; `None` if none is."""
    if not leave_out:
        return None
    return [key for key in job.asset_layer.executable_asset_keys if key.to_user_string() not in leave_out]


def range_tags(first: str, last: str) -> dict[str, str]:
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def command_tags(first: str, last: str, command: str = "run") -> dict[str, str]:
    """The tags of a run over a range of months that this process executes itself, for a command of ours."""
    return {**range_tags(first, last), TAG: this_process(), "command": f"crypto-features {command}"}


def _built(events: Sequence[dg.DagsterEvent], seconds: float) -> Iterator[Built]:
    """One row for the step's asset, from the metadata that it attached to its partitions."""
    found = [e.step_materialization_data.materialization for e in events if e.is_step_materialization]
    for key in dict.fromkeys(m.asset_key for m in found):
        facts = [{name: value.value for name, value in m.metadata.items()} for m in found if m.asset_key == key]
        yield Built(
            asset=key.to_user_string(),
            rows=_over(sum, facts, "rows"),
            symbols=_over(max, facts, "symbols"),
            first=_time(_over(min, facts, "first")),
            last=_time(_over(max, facts, "last")),
            seconds=seconds,
        )


def _over(fold: Callable[[list[float]], float], facts: Sequence[Mapping[str, object]], name: str) -> int | None:
    values = [value for fact in facts if isinstance(value := fact.get(name), int | float)]
    return int(fold(values)) if values else None


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def cause(events: Sequence[dg.DagsterEvent]) -> str:
    """Why a run failed: what its blocking checks found, or the innermost message of the first step that failed."""
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    blocking = [c for c in checks if not c.passed and c.blocking and c.severity is dg.AssetCheckSeverity.ERROR]
    if blocking:
        return " ".join(f"{c.asset_key.to_user_string()}: {c.check_name}: {c.description}" for c in blocking)
    for event in events:
        if event.is_step_failure:
            return f"{event.step_key}: {innermost(event.step_failure_data.error) or 'failed'}"
    return "the run failed before its first step"


def innermost(error: SerializableErrorInfo | None) -> str:
    """The message of the first cause of an error; our own errors say enough without their cause and their class."""
    while error is not None and error.cause is not None and not _OURS.match(error.message):
        error = error.cause
    return _OURS.sub("", error.message.strip()) if error else ""
