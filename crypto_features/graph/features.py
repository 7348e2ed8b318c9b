"""Feature tables: one asset a feature group, computed a month at a time from anchored windows."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

import dagster as dg
import polars as pl

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.errors import InputError
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.conditions import follows
from crypto_features.graph.describe import explained_by, feature_columns, feature_lineage
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.leak_gate import leak_check, pass_gate
from crypto_features.graph.partitions import SINGLE_RUN, reaching, selected
from crypto_features.graph.pictures import pictures
from crypto_features.graph.publish import each_kept, publish, timed
from crypto_features.graph.source_code import declared_in
from crypto_features.graph.table_age import overdue
from crypto_features.known.created import with_created
from crypto_features.known.history import reach
from crypto_features.known.past import missed
from crypto_features.lake.history import history_of
from crypto_features.lake.kept import keep
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import upstream
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import month_span
from crypto_features.tables.read import Terms
from crypto_features.versions.measured import code_version, current_definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata


def feature_table(settings: Settings, group: FeatureGroup, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that computes a group's table from the tables that the group reads."""
    foreign = any(isinstance(table, Borrowed) for table in upstream(group))  # which version it reads, applying notes.

    @dg.asset(
        name=group.name,
        group_name="features",
        description=group.description,
        kinds={"polars", "parquet"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(foreign=foreign),
        code_version=code_version(group.name),
        check_specs=[leak_check(group)],
        deps=[
            *(
                dg.AssetDep(read.table, partition_mapping=reaching(read.lookback))
                for read in group.reads(settings.interval)
            ),
            *([dg.AssetDep(registry_asset(current_catalog()).split("/"))] if foreign else []),
        ],
        freshness_policy=overdue(group.bar(settings.interval), settings.online_grace),
        metadata={
            **declared_in(group),
            "dagster/column_schema": feature_columns(group),
            "dagster/column_lineage": feature_lineage(group),
            "dagster/table_name": group.name,
            **explained_by(group.name, group.columns),
            "ttl": str(group.time_to_live(settings.interval)),
        },
    )
    def table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster reads the bare class.
        gate = pass_gate(context, lake, group)
        read = Reading(lake.path, current_catalog(), group, lake.interval)
        terms = Terms(lake.interval, clock.now(), settings.late_wait, settings.min_completeness)
        fingerprints, defined = feature_versions(group.name), current_definitions()[group.name]
        pinned = any(group.name in service.versions for service in current_catalog().services.values())
        late = _late(settings, group, selected(context))
        with each_kept(context) as done:
            for month in selected(context):
                frame, cost = timed(partial(group.compute, read, month, None, terms))
                frame = _created(frame, lake.table(group.name), month, reach(group, settings.interval), late)
                provenance = partition_metadata(frame, fingerprints, read.digests(), defined)
                keep(lake.table(group.name), month, fingerprints, pinned=pinned)
                publish(context, lake.table(group.name), month, frame, provenance=provenance | cost)
                done.append(month)
        newest = lake.table(group.name).months()[-1:]
        if newest and newest[0] in done:
            context.add_asset_metadata(pictures(group, lake), partition_key=newest[0])
        return dg.MaterializeResult(metadata={"dagster/column_lineage": feature_lineage(group)}, check_results=[gate])

    return table


def _created(frame: pl.DataFrame, table: Table, month: str, earliest: timedelta, late: pl.DataFrame) -> pl.DataFrame:
    """The rows with the time at which each was created; a published month that cannot be read is replaced."""
    published = None
    if month in table.months():
        with suppress(InputError):
            published = table.read([month])
    return with_created(frame, published, late, month_span(month)[0] - earliest)


def _late(settings: Settings, group: FeatureGroup, months: Sequence[str]) -> pl.DataFrame:
    past = history_of(settings, current_catalog())
    _, first_seen = past.raws[past.catalog.raw.name]
    return missed(past, [group], first_seen.keys(), month_span(months[0])[0], month_span(months[-1])[1])
