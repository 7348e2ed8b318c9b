"""Publishing one month of a table and recording what was published."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import dagster as dg
import polars as pl

from crypto_features import clock
from crypto_features.graph.describe import rows_of
from crypto_features.lake.table import Table
from crypto_features.versions.provenance import CPU_MS, PUBLISHED_AT


@contextmanager
def each_kept(context: dg.AssetExecutionContext) -> Iterator[list[str]]:
    """Months that are appended to the list count as materialized even if a later one fails.

    Dagster records a run over a range only when it ends; what was published before a failure is published.
    """
    done: list[str] = []
    try:
        yield done
    except BaseException:
        for month in done:
            kept = "Published before the run failed."
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=month, description=kept))
        raise


def publish(
    context: dg.AssetExecutionContext,
    table: Table,
    month: str,
    frame: pl.DataFrame,
    *,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Replace one month of a table and attach rows, symbols and span to that partition.

    A month that has no rows and was never published stays absent. Written into the file itself: `provenance`, the run's
    id and the time.
    """
    if frame.height or month in table.months():
        table.publish(month, frame, {**(provenance or {}), **stamp(context)})
    context.add_asset_metadata(
        {
            **rows_of(frame, table.time),
            "dagster/partition_row_count": frame.height,
            "dagster/uri": str(table.path(month)),
        },
        partition_key=month,
    )


def timed(compute: Callable[[], pl.DataFrame]) -> tuple[pl.DataFrame, dict[str, str]]:
    """What a computation gives, and the note of the processor time that this process spent on it."""
    began = time.process_time()
    return compute(), {CPU_MS: f"{(time.process_time() - began) * 1000:.0f}"}


def last_metadata(instance: dg.DagsterInstance, asset: str) -> Mapping[str, dg.MetadataValue]:
    """What the newest materialization of an asset noted; nothing if there is none."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset.split("/")))
    return event.asset_materialization.metadata if event and event.asset_materialization else {}


def stamp(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Which run publishes, and when: part of the notes of every partition."""
    return {"run_id": context.run.run_id, PUBLISHED_AT: clock.now().isoformat()}
