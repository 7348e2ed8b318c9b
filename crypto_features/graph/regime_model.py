"""The regime filter's parameters: a JSON artefact a month, fitted only on what was known before the month began."""

from datetime import timedelta

import dagster as dg
import polars as pl
from pydantic import Field
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.graph.conditions import follows
from crypto_features.graph.lake import LakeResource, SlidingReader
from crypto_features.graph.partitions import SINGLE_RUN, reaching_back, selected, window
from crypto_features.graph.publish import stamp
from crypto_features.lake.models import NAME, load_model, model_path, publish_model, published_model
from crypto_features.shipped.regime_model import LOOKBACK, TABLE, fit_regime_model
from crypto_features.tables.graph import MODEL_READS
from crypto_features.versions.measured import code_version, definitions, feature_versions
from crypto_features.versions.provenance import partition_metadata


class ModelReader:
    """Reads the parameters of the months that a partition looks back on, as the regime group takes them."""

    def __init__(self, root: UPath, lookback: timedelta) -> None:
        self._root, self._lookback = root, lookback
        self._available = [path.stem for path in (root / NAME).glob("*.json")]
        self._held: dict[str, tuple[str, str, str]] = {}

    def read(self, month: str) -> pl.DataFrame:
        """One row a month.

        Raises:
            InputError: if the month has not been fitted, or a model of the window is not whole.
        """
        wanted = window(month, self._lookback, self._available)
        if month not in wanted:
            raise InputError(f"there is no regime model for {month}; materialize {NAME!r} for that month first.")
        self._held = {name: self._held[name] if name in self._held else self._load(name) for name in wanted}
        return pl.DataFrame(list(self._held.values()), TABLE, orient="row")

    def digests(self) -> dict[str, str]:
        """The version, by month, of what the last `read` returned."""
        return {month: version for month, _, version in self._held.values()}

    def _load(self, month: str) -> tuple[str, str, str]:
        text, model = load_model(self._root, month)
        return month, text, model.version


class ModelConfig(dg.Config):
    """How a run treats models that are published already."""

    refit: bool = Field(
        default=False,
        description="Fit months again that have a model by the present code, from the rows that are there now; the "
        "model that is replaced is kept below `superseded/`. By default a published model stays as it is.",
    )


def model_config(*, refit: bool) -> dict[str, object]:
    """The run configuration of the asset, with these values of `ModelConfig`."""
    return {"ops": {NAME: {"config": {"refit": refit}}}}


def regime_model(months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fits the parameters of a month."""

    @dg.asset(
        name=NAME,
        group_name="models",
        description="Parameters of the rule-anchored forward filter: Gaussians of the five features for each label "
        "and the transitions between labels. Those of a month come only from rows known before it began, and stay as "
        "they were published when candles are corrected or symbols are added later.",
        code_version=code_version(NAME),
        kinds={"python", "json"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        deps=[dg.AssetDep("price_features", partition_mapping=reaching_back(LOOKBACK))],
    )
    def fitted(
        context: dg.AssetExecutionContext, config: ModelConfig, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        history = SlidingReader(lake.table("price_features"), LOOKBACK, MODEL_READS)
        fingerprints, defined = feature_versions(NAME), definitions()[NAME]
        for month in selected(context):
            model = None if config.refit else published_model(lake.path, month, fingerprints)
            if model is None:
                model = fit_regime_model(history.read(month), month)
                past = {name: digest for name, digest in history.digests().items() if name < month}
                notes = partition_metadata(pl.DataFrame(), fingerprints, {"price_features": past}, defined)
                publish_model(lake.path, month, model, notes | stamp(context))
            facts = {"version": model.version, "dagster/uri": str(model_path(lake.path, month))}
            context.add_asset_metadata(facts, partition_key=month)
        return dg.MaterializeResult()

    return fitted
