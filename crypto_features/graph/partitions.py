"""Calendar months, the partitions of every table, and how far back one month of a table reads into another."""

import math
from datetime import UTC, datetime, timedelta

import dagster as dg

from crypto_features import clock
from crypto_features.lake.table import Table
from crypto_features.tables.months import month_of, month_span

FORMAT = "%Y-%m"
SHORTEST_MONTH = timedelta(days=28)
SINGLE_RUN = dg.BackfillPolicy.single_run()


def monthly(start: datetime) -> dg.MonthlyPartitionsDefinition:
    """Every month from `start` to the clock's current one, which is open."""
    first = month_span(month_of(start.astimezone(UTC)))[0]
    end = month_span(month_of(clock.now()))[1] if clock.is_stopped() else None
    return dg.MonthlyPartitionsDefinition(first, fmt=FORMAT, end_date=end, end_offset=1)


def reaching(back: timedelta, ahead: timedelta = timedelta(0)) -> dg.TimeWindowPartitionMapping:
    """The mapping of a month to every month that is touched from `back` before its start to `ahead` after its end."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-math.ceil(back / SHORTEST_MONTH),
        end_offset=math.ceil(ahead / SHORTEST_MONTH),
        allow_nonexistent_upstream_partitions=True,
    )


def selected(context: dg.AssetExecutionContext) -> list[str]:
    """The months of this run, oldest first: Dagster hands over the keys of a range unsorted."""
    return sorted(context.partition_keys)


def months_of_run(context: dg.AssetCheckExecutionContext, table: Table) -> list[str]:
    """The published months that a check looks at: those of its run, or all if the run names none."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return list(table.months())
    of_run = context.partition_key_range
    return [month for month in table.months() if of_run.start <= month <= of_run.end]
