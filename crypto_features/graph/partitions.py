"""Calendar months, the partitions of every table, and how far back one month of a table reads into another."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from crypto_features import clock
from crypto_features.lake.table import Table

FORMAT = "%Y-%m"
SHORTEST_MONTH = timedelta(days=28)
SINGLE_RUN = dg.BackfillPolicy.single_run()


def monthly(start: datetime) -> dg.MonthlyPartitionsDefinition:
    """Every month from `start` to the clock's current one, which is open."""
    first = start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = following(clock.now()) if clock.is_stopped() else None
    return dg.MonthlyPartitionsDefinition(first, fmt=FORMAT, end_date=end, end_offset=1)


def following(time: datetime) -> datetime:
    """The start of the month after the one that holds `time`."""
    return (time.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def reaching_back(lookback: timedelta) -> dg.TimeWindowPartitionMapping:
    """The mapping of a month to itself and to every month that `lookback` before its start touches."""
    return dg.TimeWindowPartitionMapping(
        start_offset=-math.ceil(lookback / SHORTEST_MONTH), allow_nonexistent_upstream_partitions=True
    )


def bounds(month: str) -> tuple[datetime, datetime]:
    """Start and end of a month, in UTC."""
    start = datetime.strptime(month, FORMAT).replace(tzinfo=UTC)
    return start, following(start)


def window(month: str, lookback: timedelta, available: Iterable[str]) -> list[str]:
    """Those of the available months that hold rows of `[month start − lookback, month end)`."""
    earliest = (bounds(month)[0] - lookback).strftime(FORMAT)
    return [name for name in sorted(available) if earliest <= name <= month]


def selected(context: dg.AssetExecutionContext) -> list[str]:
    """The months of this run, oldest first: Dagster hands over the keys of a range unsorted."""
    return sorted(context.partition_keys)


def months_of_run(context: dg.AssetCheckExecutionContext, table: Table) -> list[str]:
    """The published months that a check looks at: those of its run, or all if the run names none."""
    tags = context.run.tags
    first = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_START_TAG)
    last = tags.get(PARTITION_NAME_TAG) or tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return [m for m in table.months() if first is None or last is None or first <= m <= last]
