"""The regime filter's parameters: a JSON artefact a month, fitted only on what was known before the month began."""

from collections.abc import Iterable

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features.assets.conditions import follows
from crypto_features.assets.lake import LakeResource, SlidingReader
from crypto_features.assets.partitions import SINGLE_RUN, reaching_back, selected
from crypto_features.assets.versions import regime_model_version
from crypto_features.errors import InputError
from crypto_features.features import RegimeModel, fit_regime_model
from crypto_features.features.regime_model import LOOKBACK

NAME = "regime_model"
SCHEMA = pl.Schema({"month": pl.String, "parameters": pl.String, "version": pl.String})


def model_path(root: UPath, month: str) -> UPath:
    """Where the parameters of a month are kept."""
    return root / NAME / f"{month}.json"


def read_models(root: UPath, months: Iterable[str]) -> pl.DataFrame:
    """The parameters of those months that were fitted, as the regime group reads them: month, parameters, version."""
    found = [(month, path.read_text()) for month in months if (path := model_path(root, month)).exists()]
    rows = [(month, text, RegimeModel.from_json(text).version) for month, text in found]
    return pl.DataFrame(rows, SCHEMA, orient="row")


class ModelReader:
    """Reads the parameters of a month, as the regime group takes them."""

    def __init__(self, root: UPath) -> None:
        self._root = root
        self._models = read_models(root, [])

    def read(self, month: str) -> pl.DataFrame:
        """One row.

        Raises:
            InputError: if the month has not been fitted.
        """
        self._models = read_models(self._root, [month])
        if self._models.is_empty():
            raise InputError(f"there is no regime model for {month}; materialize {NAME!r} for that month first.")
        return self._models

    def digests(self) -> dict[str, str]:
        """The version, by month, of what the last `read` returned."""
        return dict(self._models.select("month", "version").iter_rows())


def regime_model(months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fits the parameters of a month."""

    @dg.asset(
        name=NAME,
        group_name="models",
        description="Parameters of the rule-anchored forward filter: Gaussians of the five features for each label "
        "and the transitions between labels. Those of a month come only from rows known before it began.",
        code_version=regime_model_version(),
        kinds={"python", "json"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        deps=[dg.AssetDep("price_features", partition_mapping=reaching_back(LOOKBACK))],
    )
    def fitted(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        history = SlidingReader(lake.table("price_features"), LOOKBACK)
        for month in selected(context):
            model = fit_regime_model(history.read(month), month)
            path = model_path(lake.path, month)
            _replace(path, model.to_json())
            context.add_asset_metadata({"version": model.version, "dagster/uri": str(path)}, partition_key=month)
        return dg.MaterializeResult()

    return fitted


def _replace(path: UPath, text: str) -> None:
    """Write whole or not at all: beside the file and then over it; an upload to a bucket is atomic by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in ("", "file"):
        path.write_text(text)
        return
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)
