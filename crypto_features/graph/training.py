"""Training sets: what each model would have known at the close of every bar, joined by Feast at that point in time."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import dagster as dg
import polars as pl

from crypto_features.durations import timeframe
from crypto_features.errors import InputError, TransientError
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.conditions import follows
from crypto_features.graph.describe import same_columns
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import SINGLE_RUN, reaching, selected
from crypto_features.graph.publish import last_metadata, publish
from crypto_features.lake.history import history_of, models_of
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.store.offline.known import Knowledge, unknown_then
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.lineage import ROW_COLUMNS
from crypto_features.tables.months import MONTH, month_span, months_between
from crypto_features.tables.read import Read
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet
from crypto_features.training.rows import definitions_joined, reads_of
from crypto_features.versions.measured import current_definitions
from crypto_features.versions.provenance import COLUMNS, FINGERPRINTS, SERVICE, input_digest, partition_metadata

UNKNOWN = "rows without what came later"
"""Under this name a run notes how many of its rows have a value by what is known now, and none by what was known."""
ATTEMPTS = 3
"""How often the join is made if a table changes under it."""


def training_set(
    settings: Settings, training: TrainingSet, catalog: Catalog, months: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """The asset that joins a service's features at the close of every bar, as they were known then."""
    service, bars = training.service, training.bars
    length = bars.bar(settings.interval)

    @dg.asset(
        key=training.name.split("/"),
        group_name="training",
        description=f"{service.description} One row for each symbol and bar of {timeframe(length)}: what was known "
        "at its close, whatever was corrected later.",
        kinds={"feast", "parquet"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(foreign=not catalog.borrowed.keys().isdisjoint(service.features)),
        deps=[
            dg.AssetDep(bars.name, partition_mapping=reaching(bars.early(settings.interval))),
            registry_asset(catalog).split("/"),
            *service.features,
        ],
        metadata={
            "dagster/column_lineage": same_columns(service.features),
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn("symbol", "string", "Base asset, such as BTC."),
                    dg.TableColumn("event_timestamp", "timestamp[us, UTC]", "The time as of which the row was known."),
                    *(
                        dg.TableColumn(f.name, str(f.column_type).lower(), f"{f.description} Unit: {f.unit}.")
                        for view, names in service.features.items()
                        for f in catalog.views[view].fields
                        if f.name in names
                    ),
                ]
            ),
            "dagster/table_name": training.name.replace("/", "."),
        },
    )
    def joined(
        context: dg.AssetExecutionContext, lake: LakeResource, feast: FeastResource
    ) -> dg.MaterializeResult[None]:
        there, early = lake.table(bars.name).months(), bars.early(settings.interval)
        chosen = [
            m for m in selected(context) if {*months_between(month_span(m)[0] - early, month_span(m)[1])} & {*there}
        ]
        if not chosen:
            context.log.info("No bar of these months is over yet: there is nothing to join.")
            return dg.MaterializeResult()
        opened_in = months_between(month_span(chosen[0])[0] - early, month_span(chosen[-1])[1])
        opened = lake.table(bars.name).read([m for m in there if m in opened_in], columns=["symbol", "open_time"])
        entity_rows = opened.select("symbol", event_timestamp=pl.col("open_time") + length).filter(MONTH.is_in(chosen))

        def join() -> pl.DataFrame:
            rows = feast.training_set(service.name, entity_rows, Knowledge(history_of(settings, catalog)))
            return _as_declared(training, rows, registry_asset(catalog))

        frame, notes = _joined(lake, training, catalog, chosen, join)
        now = feast.training_set(service.name, entity_rows)
        unknown = unknown_then(frame, now, frame.columns[2:])
        frame = frame.with_columns(month=MONTH)
        defined = definitions_joined(training, catalog, current_definitions())
        table = lake.table(training.name)
        for month in chosen:
            rows = frame.filter(month=month).drop("month")
            fingerprints, inputs = notes[month]
            provenance = partition_metadata(rows, fingerprints, inputs, defined) | {SERVICE: _described(service)}
            publish(context, table, month, rows, provenance=provenance)
            context.add_asset_metadata({"content digest": table.digest(month)}, partition_key=month)
        return dg.MaterializeResult(
            metadata={"dagster/column_lineage": same_columns(service.features), UNKNOWN: unknown}
        )

    return joined


def unknown_rows(instance: dg.DagsterInstance, training: TrainingSet) -> int:
    """How many rows of the last run of a training set have no value because their candles came later."""
    found = last_metadata(instance, training.name).get(UNKNOWN)
    return int(found.value or 0) if isinstance(found, dg.IntMetadataValue) else 0


def _as_declared(training: TrainingSet, rows: pl.DataFrame, registry: str) -> pl.DataFrame:
    """The rows, joined as the registry has the service; their notes speak of the service as the code declares it."""
    service = training.service
    declared = {name for names in service.features.values() for name in names}
    found = set(rows.columns) - set(ROW_COLUMNS)
    if found != declared:
        other = ", ".join(sorted(found ^ declared))
        raise InputError(
            f"the registry has {service.name} with other features than the code declares ({other}); run `feast apply` "
            f"in feature_repo/ or materialize {registry!r}, then {training.name} again."
        )
    return rows


Notes = tuple[dict[str, str], dict[str, dict[str, str]]]
"""The fingerprint of each feature as `<view>:<feature>`, and the digest of what is read of each table, by month."""


def _joined(
    lake: LakeResource,
    training: TrainingSet,
    catalog: Catalog,
    months: Sequence[str],
    join: Callable[[], pl.DataFrame],
) -> tuple[pl.DataFrame, Mapping[str, Notes]]:
    """The join and the notes of what it read: a table that is published meanwhile is read again."""
    for _ in range(ATTEMPTS):
        before = _notes(lake, training, catalog, months)
        frame = join()
        if before == _notes(lake, training, catalog, months):
            return frame, before
    raise TransientError(
        f"the tables of {training.name} were published {ATTEMPTS} times while they were read; materialize "
        f"{training.name} again."
    )


def _notes(lake: LakeResource, training: TrainingSet, catalog: Catalog, months: Sequence[str]) -> dict[str, Notes]:
    """What the rows of each month are computed from, as the partitions themselves note it."""
    service, reads = training.service, reads_of(training, catalog, lake.interval)
    models = {
        name: {month: fitted[-1].version for month, fitted in models_of(lake.path, name).items()}
        for name in catalog.models.keys() & reads
    }
    available = {table: models.get(table) or lake.table(table).months() for table in reads}
    metadata = cache(lambda view, month: lake.table(view).metadata(month) if month in available[view] else {})
    raw = cache(lambda table, month: lake.table(table).digest(month))

    def digest(table: str, month: str) -> str:
        if table in catalog.raws:
            return raw(table, month)
        if table in models:
            return models[table][month]
        columns: dict[str, str] = json.loads(metadata(table, month).get(COLUMNS, "{}"))
        return input_digest(columns, [*ROW_COLUMNS, *service.features.get(table, ())])

    def fingerprints(month: str) -> dict[str, str]:
        own = {view: names for view, names in service.features.items() if view in catalog.groups}
        computed = {view: json.loads(metadata(view, month).get(FINGERPRINTS, "{}")) for view in own}
        named = ((view, name) for view, names in own.items() for name in names)
        return {f"{view}:{name}": computed[view][name] for view, name in named if name in computed[view]}

    def inputs(month: str) -> dict[str, dict[str, str]]:
        read = {t: [m for m in available[t] if Read(t, back).covers(month, m)] for t, back in reads.items()}
        return {table: {name: digest(table, name) for name in names} for table, names in read.items()}

    return {month: (fingerprints(month), inputs(month)) for month in months}


def _described(service: FeatureService) -> str:
    content = {"name": service.name, "features": service.features, "versions": service.versions}
    return json.dumps({name: dict(part) if isinstance(part, Mapping) else part for name, part in content.items()})
