"""Training sets that are built whole: an asset each, which is built when it is asked for and stays as it is."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from crypto_features import clock
from crypto_features.errors import InputError
from crypto_features.graph.describe import same_columns
from crypto_features.graph.recompute import plan_of
from crypto_features.lake.history import history_of
from crypto_features.lake.owners import claim
from crypto_features.settings import Settings
from crypto_features.store import FeastResource
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.training import TrainingSet
from crypto_features.training.build import Log, Origin, build
from crypto_features.training.folder import SetFolder, new_folder
from crypto_features.training.inputs import read_tables
from crypto_features.versions.measured import current_definitions, feature_versions, versions

SHOWN = 20
"""Features in the table of revisions: those that moved most."""


def whole_set(settings: Settings, training: TrainingSet, catalog: Catalog) -> dg.AssetsDefinition:
    """The asset that builds a set into the data folder; each time into a new folder, named by the time."""
    tables = [table.name for table in read_tables(training, catalog)]

    @dg.asset(
        key=training.name.split("/"),
        group_name="training",
        description=f"{training.service.description} Built whole when it is asked for, month by month, from what was "
        "known: a folder with a manifest, which later corrections do not change.",
        kinds={"parquet", "polars"},
        owners=["team:research"],
        deps=tables,
        metadata={"dagster/column_lineage": same_columns(training.service.features)},
    )
    def built(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        claim(settings.root, training.name, catalog.project)
        folder = new_folder(settings.root, training.name, clock.now())
        manifest = build_set(settings, training, catalog, folder, context.log.info)
        return dg.MaterializeResult(metadata=_metadata(folder, manifest))

    return built


def origin_of(settings: Settings, training: TrainingSet, catalog: Catalog) -> Origin:
    """What a set is built from: the data folder of the settings, and the present code."""
    past = history_of(settings, catalog)
    return Origin(training, catalog, settings.root, past, versions(), current_definitions())


def build_set(
    settings: Settings, training: TrainingSet, catalog: Catalog, folder: SetFolder, log: Log
) -> Mapping[str, Any]:
    """Build a set into a folder from tables that are as a full build would make them.

    Raises:
        InputError: if one of these tables is stale, a pinned version is not what the present code computes, or as
            `build` says.
    """
    require_current(settings, training, catalog)
    return build(origin_of(settings, training, catalog), folder, log)


def require_current(settings: Settings, training: TrainingSet, catalog: Catalog) -> None:
    """Check that what is published of the tables that a set reads is what the present code makes of the candles.

    Raises:
        InputError: naming what is stale, or the features of a pinned version that are computed otherwise now.
    """
    require_versions(training)
    read = {table.name for table in read_tables(training, catalog)}
    if stale := [item for item in plan_of(settings).stale if item.asset in read]:
        more = f", and {len(stale) - 1} more" if len(stale) > 1 else ""
        raise InputError(
            f"{training.name} would not be what a later build makes of the same candles: {stale[0]}{more}. "
            "`crypto-features plan --run` computes what is stale; then build the set again."
        )


def require_versions(training: TrainingSet) -> None:
    """Check that the present code computes the pinned versions of a set: what was known is computed by it.

    Raises:
        InputError: naming the features that it computes otherwise.
        UnknownNameError: if the registry has no such view or version.
    """
    for view, number in training.service.versions.items():
        pinned, present = FeastResource().version_fingerprints(view, number), feature_versions(view)
        other = [name for name in training.service.features[view] if pinned.get(name) != present.get(name)]
        if other:
            raise InputError(
                f"{training.name} pins version {number} of {view}, which computes {', '.join(other)} otherwise than "
                "the present code; what was known at a time is computed by the present code. Check out the code of "
                "that version, or take the pin away."
            )


def _metadata(folder: SetFolder, manifest: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    label, rows = manifest["label"], manifest["rows"]
    found: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(rows["count"]),
        "dagster/row_count": dg.MetadataValue.int(rows["count"]),
        "symbols": dg.MetadataValue.int(len(manifest["universe"])),
        "dagster/uri": dg.MetadataValue.text(str(folder.path)),
        "digest": dg.MetadataValue.text(manifest["digest"]),
        "revision risk": dg.MetadataValue.md(_revisions(manifest["revisions"])),
    }
    if label is not None:
        found["rows without a label"] = dg.MetadataValue.json(label["without"])
        found["undecided barriers"] = dg.MetadataValue.float(label["undecided"])
    if manifest["folds"]:
        found["folds"] = dg.MetadataValue.json(manifest["folds"])
    return found


def _revisions(revisions: Mapping[str, Mapping[str, Any]]) -> str:
    """The features whose past values moved most, as a table."""
    moved = sorted(revisions.items(), key=lambda item: -item[1]["moved"])[:SHOWN]
    head = [
        "| Feature | Rows moved | Mean change | Largest change | at | Spread |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join(
        [
            *head,
            *(
                f"| {name} | {one['moved']:,} of {one['rows']:,} | {one['mean_change']:.3g} | "
                f"{one['largest_change']:.3g} | {one['largest_at']} | {one['spread']:.3g} |"
                for name, one in moved
            ),
        ]
    )
