"""Training sets: what each model would have known at the close of every day, joined by Feast at that point in time."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg
import polars as pl

from crypto_features.assets.conditions import follows
from crypto_features.assets.describe import same_columns
from crypto_features.assets.lake import LakeResource
from crypto_features.assets.partitions import SINGLE_RUN, selected, window
from crypto_features.assets.publish import publish
from crypto_features.errors import TransientError
from crypto_features.features import GROUPS, FeatureService, input_digest, partition_metadata
from crypto_features.features.provenance import COLUMNS, FINGERPRINTS, KEYS, SERVICE
from crypto_features.store import FeastResource

DAY = pl.duration(days=1)
ATTEMPTS = 3
"""How often the join is made if a table changes under it."""


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
                        dg.TableColumn(f.name, str(f.column_type).lower(), f"{f.description} Unit: {f.unit}.")
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
        frame, notes = _joined(lake, feast, service, chosen, entity_rows)
        frame = frame.with_columns(month=month_of_day)
        table = lake.table(f"training/{service.name}")
        for month in chosen:
            rows = frame.filter(month=month).drop("month")
            fingerprints, inputs = notes[month]
            provenance = partition_metadata(rows, fingerprints, inputs) | {SERVICE: _described(service)}
            publish(context, table, month, rows, provenance=provenance)
            context.add_asset_metadata({"content digest": table.digest(month)}, partition_key=month)
        return dg.MaterializeResult(metadata={"dagster/column_lineage": same_columns(service.features)})

    return joined


Notes = tuple[dict[str, str], dict[str, dict[str, str]]]
"""The fingerprint of each feature as `<view>:<feature>`, and the digest of what is read of each table, by month."""


def _joined(
    lake: LakeResource, feast: FeastResource, service: FeatureService, months: Sequence[str], entity_rows: pl.DataFrame
) -> tuple[pl.DataFrame, Mapping[str, Notes]]:
    """The join and the notes of what it read: a table that is published meanwhile is read again."""
    for _ in range(ATTEMPTS):
        before = {month: _notes(lake, service, month) for month in months}
        frame = feast.training_set(service.name, entity_rows)
        if before == {month: _notes(lake, service, month) for month in months}:
            return frame, before
    raise TransientError(
        f"the tables of {service.name} were published {ATTEMPTS} times while they were read; materialize "
        f"training/{service.name} again."
    )


def _notes(lake: LakeResource, service: FeatureService, month: str) -> Notes:
    """What the month's rows are joined from, as the partitions themselves note it."""
    fingerprints: dict[str, str] = {}
    inputs: dict[str, dict[str, str]] = {}
    for table, names in {"daily_candles": (), **service.features}.items():
        stored = lake.table(table)
        ttl = GROUPS[table].time_to_live(lake.interval) if table in GROUPS else timedelta(0)
        metadata = {name: stored.metadata(name) for name in window(month, ttl, stored.months())}
        inputs[table] = {
            name: input_digest(json.loads(note.get(COLUMNS, "{}")), [*KEYS, *names]) for name, note in metadata.items()
        }
        computed: dict[str, str] = json.loads(metadata.get(month, {}).get(FINGERPRINTS, "{}"))
        fingerprints |= {f"{table}:{name}": computed[name] for name in names if name in computed}
    return fingerprints, inputs


def _described(service: FeatureService) -> str:
    content = {"name": service.name, "features": service.features, "versions": service.versions}
    return json.dumps({name: dict(part) if isinstance(part, Mapping) else part for name, part in content.items()})
