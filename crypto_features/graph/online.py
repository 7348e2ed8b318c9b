"""The materialized online store: one asset a view, each of which runs Feast's materialization."""

import dagster as dg

from crypto_features import clock
from crypto_features.graph.conditions import follows
from crypto_features.graph.describe import explained_by, feature_columns, view_lineage
from crypto_features.graph.partitions import SINGLE_RUN, selected
from crypto_features.graph.source_code import declared_in
from crypto_features.graph.table_age import overdue
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.months import month_span
from crypto_features.versions.measured import code_version

KINDS = {"embedded": "sqlite", "postgres": "postgres", "redis": "redis"}
"""Where the rows lie, by what `CRYPTO_FEATURES_STORE` says."""


def online_view(
    settings: Settings, group: FeatureGroup, months: dg.PartitionsDefinition[str], *, registry: str
) -> dg.AssetsDefinition:
    """The asset that publishes a view's newest rows to the online store."""

    @dg.asset(
        key=["online_store", group.name],
        group_name="serving",
        description=f"`{group.name}` in the online store, which the bot reads. A value is served for "
        f"{group.time_to_live(settings.interval)} after its candle closed and the publish grace; an older row never "
        "replaces a newer one.",
        kinds={"feast", KINDS[settings.store]},
        owners=["team:platform"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        pool=f"online_store_{group.name}",
        code_version=code_version(group.name),
        deps=[group.name, registry.split("/")],
        freshness_policy=overdue(group.bar(settings.interval), settings.online_grace),
        metadata={
            **declared_in(group),
            "dagster/column_schema": feature_columns(group),
            "dagster/column_lineage": view_lineage(group),
            **explained_by(group.name, group.columns),
            "dagster/table_name": f"online_store.{group.name}",
        },
    )
    def view(context: dg.AssetExecutionContext, feast: FeastResource) -> dg.MaterializeResult[None]:
        chosen = selected(context)
        start, end = month_span(chosen[0])[0], min(month_span(chosen[-1])[1], clock.now())
        published = feast.materialize(group.name, start, end)
        first, last = published.first_event_time, published.last_event_time
        context.add_asset_metadata(
            {
                "rows": published.rows,
                "symbols": published.symbols,
                "window_start": dg.MetadataValue.timestamp(start),
                **({"first": dg.MetadataValue.timestamp(first)} if first else {}),
                **({"last": dg.MetadataValue.timestamp(last)} if last else {}),
                **({"event_time_watermark": dg.MetadataValue.timestamp(last)} if last else {}),
                "seconds": published.seconds,
                "registry_version": published.registry_version,
            },
            partition_key=chosen[-1],
        )
        window_end = dg.MetadataValue.timestamp(end)
        return dg.MaterializeResult(metadata={"dagster/column_lineage": view_lineage(group), "window_end": window_end})

    return view
