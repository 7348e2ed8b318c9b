"""Training sets: what each model would have known at the close of every day, joined by Feast at that point in time."""

import dagster as dg
import polars as pl

from crypto_features.assets.conditions import follows
from crypto_features.assets.describe import same_columns
from crypto_features.assets.lake import LakeResource
from crypto_features.assets.partitions import SINGLE_RUN, selected
from crypto_features.assets.publish import publish
from crypto_features.features import GROUPS, FeatureService
from crypto_features.store import FeastResource

DAY = pl.duration(days=1)


def training_set(service: FeatureService, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that joins a service's features at the close of every daily candle."""

    @dg.asset(
        key=["training", service.name],
        group_name="training",
        description=f"{service.description} One row a symbol and day, joined as of the close of the day.",
        kinds={"feast", "parquet"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        deps=["daily_candles", "feast_registry", *service.features],
        metadata={
            "dagster/column_lineage": same_columns(service.features),
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn("symbol", "string", "Base asset, such as BTC."),
                    dg.TableColumn("event_timestamp", "timestamp[us, UTC]", "The time as of which the row was known."),
                    *(
                        dg.TableColumn(f.name, str(f.dtype()).lower(), f"{f.description} Unit: {f.unit}.")
                        for view, names in service.features.items()
                        for f in GROUPS[view].features
                        if f.name in names
                    ),
                ]
            ),
            "dagster/table_name": f"training.{service.name}",
        },
    )
    def joined(
        context: dg.AssetExecutionContext, lake: LakeResource, feast: FeastResource
    ) -> dg.MaterializeResult[None]:
        chosen = [month for month in selected(context) if month in lake.table("daily_candles").months()]
        if not chosen:
            context.log.info("No day of these months is over yet: there is nothing to join.")
            return dg.MaterializeResult()
        days = lake.table("daily_candles").read(chosen, columns=["symbol", "open_time"])
        month_of_day = pl.col("event_timestamp").dt.offset_by("-1d").dt.strftime("%Y-%m")
        entity_rows = days.select("symbol", event_timestamp=pl.col("open_time") + DAY)
        frame = feast.training_set(service.name, entity_rows).with_columns(month=month_of_day)
        for month in chosen:
            rows = frame.filter(month=month).drop("month")
            publish(context, lake.table(f"training/{service.name}"), month, rows)
        return dg.MaterializeResult(metadata={"dagster/column_lineage": same_columns(service.features)})

    return joined
