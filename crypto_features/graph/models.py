"""Fitted models: a JSON artefact a month, fitted only on what was known before the month began."""

import dagster as dg
import polars as pl
from pydantic import Field

from crypto_features import clock
from crypto_features.catalogs import current_catalog
from crypto_features.graph.conditions import follows
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.partitions import SINGLE_RUN, reaching, selected
from crypto_features.graph.publish import stamp
from crypto_features.lake.models import model_path, publish_model, published_model
from crypto_features.lake.owners import claim
from crypto_features.lake.reading import Reading
from crypto_features.settings import Settings
from crypto_features.tables.artefact import opened
from crypto_features.tables.model import FittedModel
from crypto_features.tables.read import Terms
from crypto_features.versions.measured import code_version, current_definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata


class ModelConfig(dg.Config):
    """How a run treats models that are published already."""

    refit: bool = Field(
        default=False,
        description="Fit months again that have a model by the present code, from the rows that are there now; the "
        "model that is replaced is kept below `superseded/`. By default a published model stays as it is.",
    )


def model_config(*, refit: bool) -> dict[str, object]:
    return {"config": ModelConfig(refit=refit).model_dump()}


def model_table(settings: Settings, model: FittedModel, months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fits the parameters of a month."""

    @dg.asset(
        name=model.name,
        group_name="models",
        description=model.description,
        code_version=code_version(model.name),
        kinds={"python", "json"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        deps=[dg.AssetDep(i.table.name, partition_mapping=reaching(i.reach(settings.interval))) for i in model.inputs],
    )
    def fitted(
        context: dg.AssetExecutionContext, config: ModelConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        read = Reading(lake.path, current_catalog(), model, lake.interval)
        terms = Terms(lake.interval, clock.now(), settings.late_wait, settings.min_completeness)
        claim(lake.path, model.name, current_catalog().project)
        fingerprints, defined = feature_versions(model.name), current_definitions()[model.name]
        for month in selected(context):
            found = None if config.refit else published_model(lake.path, model.name, month, fingerprints)
            if found is None:
                found = opened(model.compute(read, month, None, terms)["parameters"].item())
                notes = partition_metadata(pl.DataFrame(), fingerprints, read.digests(), defined)
                publish_model(lake.path, model.name, month, found, notes | stamp(context))
            facts = {"version": found.version, "dagster/uri": str(model_path(lake.path, model.name, month))}
            context.add_asset_metadata(facts, partition_key=month)
        return dg.MaterializeResult()

    return fitted
