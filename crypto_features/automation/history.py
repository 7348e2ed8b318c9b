"""Each day what Dagster recorded of old runs is deleted, so that its home does not grow forever."""

import dagster as dg

from crypto_features.host.run_history import forget_runs
from crypto_features.settings import Settings


def forget_old_runs(settings: Settings, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The schedule; of projects that share a Dagster, the one that fetches the candles has it."""

    @dg.op(name="forget_old_runs", description="Deletes runs older than CRYPTO_FEATURES_KEEP_RUNS.")
    def forget(context: dg.OpExecutionContext) -> None:
        context.log.info("%s runs were forgotten.", forget_runs(context.instance, settings.keep_runs))

    @dg.job(name="forget_runs", description="Keeps Dagster's home from growing forever.")
    def job() -> None:
        forget()

    return dg.ScheduleDefinition(
        name="forget_old_runs_each_day",
        job=job,
        cron_schedule="41 4 * * *",
        default_status=status,
        description="Deletes runs that began longer ago than CRYPTO_FEATURES_KEEP_RUNS and made nothing that is still "
        "the newest of its partition, with their logs.",
    )
