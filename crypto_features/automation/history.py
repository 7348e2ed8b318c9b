"""Each day what Dagster recorded of old runs is deleted, so that its home does not grow forever."""

from collections.abc import Iterable

import dagster as dg

from crypto_features.host.run_history import BY_COMMAND, forget_runs, forget_ticks, of_location
from crypto_features.settings import Settings


def forget_old_runs(
    settings: Settings, status: dg.DefaultScheduleStatus, names: Iterable[str]
) -> dg.ScheduleDefinition:
    """The schedule, which leaves the runs of other code locations in the same Dagster alone.

    Args:
        settings: How long a run is kept.
        status: Whether it runs by itself.
        names: The schedules and sensors of this code location.
    """
    own = [*names]

    @dg.op(name="forget_old_runs", description="Deletes runs older than CRYPTO_FEATURES_KEEP_RUNS.")
    def forget(context: dg.OpExecutionContext) -> None:
        instance, keep = context.instance, settings.keep_runs
        count = sum(forget_runs(instance, keep, tags) for tags in (of_location(context.run), BY_COMMAND) if tags)
        forget_ticks(instance, keep, own)
        context.log.info("%s runs were forgotten.", count)

    @dg.job(name="forget_runs", description="Keeps Dagster's home from growing forever.")
    def job() -> None:
        forget()

    return dg.ScheduleDefinition(
        name="forget_old_runs_each_day",
        job=job,
        cron_schedule="41 4 * * *",
        default_status=status,
        description="Deletes runs of this code location that began longer ago than CRYPTO_FEATURES_KEEP_RUNS and made "
        "nothing that is still the newest of its partition, with their logs.",
    )
