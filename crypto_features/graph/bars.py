"""Tables of longer bars, resampled from the current candles."""

from functools import partial

import dagster as dg

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.graph.conditions import fills
from crypto_features.graph.describe import BAR_COLUMNS, explained_by, lineage_of
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import SINGLE_RUN, reaching, selected
from crypto_features.graph.publish import publish, timed
from crypto_features.graph.table_age import overdue
from crypto_features.lake.reading import Reading
from crypto_features.settings import Settings
from crypto_features.tables.bars import Bars
from crypto_features.tables.read import Terms
from crypto_features.versions.measured import code_version, current_definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata


def bar_table(settings: Settings, bars: Bars, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that resamples the current candles to the bars that are over."""
    lineage = lineage_of(bars)

    @dg.asset(
        name=bars.name,
        group_name="market",
        description=bars.description,
        kinds={"polars", "parquet"},
        owners=["team:market-data"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=fills(),
        code_version=code_version(bars.name),
        freshness_policy=overdue(bars.bar(settings.interval), settings.online_grace),
        deps=[
            dg.AssetDep(r.table, partition_mapping=reaching(r.lookback, r.ahead)) for r in bars.reads(settings.interval)
        ],
        metadata={
            "dagster/column_schema": BAR_COLUMNS,
            "dagster/column_lineage": lineage,
            "dagster/table_name": bars.name,
            **explained_by(bars.name, bars.columns),
        },
    )
    def resampled(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        table, published = lake.table(bars.name), lake.table(bars.of.name).months()
        terms = Terms(lake.interval, clock.now(), settings.late_wait, settings.min_completeness)
        read = Reading(lake.path, current_catalog(), bars, lake.interval)
        for month in selected(context):
            if month in published:
                rows, cost = timed(partial(bars.compute, read, month, None, terms))
                defined = current_definitions()[bars.name]
                notes = partition_metadata(rows, feature_versions(bars.name), read.digests(), defined) | cost
                if pending := bars.due(read, month, terms):
                    notes[WAITS_UNTIL] = pending.isoformat()
                publish(context, table, month, rows, provenance=notes)
        return dg.MaterializeResult(metadata={"dagster/column_lineage": lineage})

    return resampled
