"""Feature tables: one asset a feature group, computed a month at a time from anchored windows."""

import dagster as dg
import polars as pl

from crypto_features import clock
from crypto_features.assets.conditions import follows
from crypto_features.assets.describe import feature_columns, feature_lineage
from crypto_features.assets.freshness import overdue
from crypto_features.assets.lake import LakeResource, SlidingReader
from crypto_features.assets.leak_gate import leak_check, pass_gate
from crypto_features.assets.partitions import SINGLE_RUN, reaching_back, selected
from crypto_features.assets.pictures import pictures
from crypto_features.assets.publish import each_kept, publish
from crypto_features.assets.regime_model import NAME, ModelReader
from crypto_features.assets.source_code import declared_in
from crypto_features.features import (
    FeatureGroup,
    Input,
    columns_read,
    compute_partition,
    partition_metadata,
)
from crypto_features.settings import Settings
from crypto_features.versions import feature_versions, table_version


def feature_table(settings: Settings, group: FeatureGroup, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that computes a group's table from the tables that the group reads."""

    @dg.asset(
        name=group.name,
        group_name="features",
        description=group.description,
        kinds={"polars", "parquet"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        code_version=table_version(group.name),
        check_specs=[leak_check(group)],
        deps=[dg.AssetDep(i.table, partition_mapping=reaching_back(i.lookback)) for i in group.inputs],
        freshness_policy=overdue(group.interval or settings.interval, settings.online_grace),
        metadata={
            **declared_in(group),
            "dagster/column_schema": feature_columns(group),
            "dagster/column_lineage": feature_lineage(group),
            "dagster/table_name": group.name,
            "ttl": str(group.ttl),
        },
    )
    def table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster reads the bare class.
        gate = pass_gate(context, lake, group)
        readers = {i.table: _reader(lake, group, i) for i in group.inputs}
        fingerprints = feature_versions(group.name)
        with each_kept(context) as done:
            for month in selected(context):
                inputs = {name: reader.read(month) for name, reader in readers.items()}
                frame = compute_partition(
                    group, inputs, month, interval=lake.interval, min_completeness=settings.min_completeness
                )
                created = pl.lit(clock.now()).cast(pl.Datetime("us", "UTC")).alias("created_timestamp")
                frame = frame.select("symbol", "event_timestamp", created, pl.exclude("symbol", "event_timestamp"))
                provenance = partition_metadata(
                    frame, fingerprints, {name: reader.digests() for name, reader in readers.items()}
                )
                publish(context, lake.table(group.name), month, frame, provenance=provenance)
                done.append(month)
        newest = lake.table(group.name).months()[-1:]
        if newest and newest[0] in done:
            context.add_asset_metadata(pictures(group, lake), partition_key=newest[0])
        return dg.MaterializeResult(metadata={"dagster/column_lineage": feature_lineage(group)}, check_results=[gate])

    return table


def _reader(lake: LakeResource, group: FeatureGroup, source: Input) -> SlidingReader | ModelReader:
    if source.table == NAME:
        return ModelReader(lake.path, source.lookback)
    return SlidingReader(lake.table(source.table), source.lookback, columns_read(group, source.table))
