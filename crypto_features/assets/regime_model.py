"""The regime filter's parameters: a JSON artefact a month, fitted only on what was known before the month began."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field
from upath import UPath

from crypto_features.assets.conditions import follows
from crypto_features.assets.lake import LakeResource, SlidingReader
from crypto_features.assets.partitions import SINGLE_RUN, reaching_back, selected, window
from crypto_features.assets.publish import stamp
from crypto_features.errors import InputError
from crypto_features.features import RegimeModel, fit_regime_model, partition_metadata
from crypto_features.features.graph import MODEL_READS
from crypto_features.features.provenance import FINGERPRINTS, PUBLISHED_AT
from crypto_features.features.regime_model import LOOKBACK, TABLE
from crypto_features.versions import feature_versions, table_version
from crypto_features.whole_file import whole_file

NAME = "regime_model"


def model_path(root: UPath, month: str) -> UPath:
    """Where the parameters of a month are kept."""
    return root / NAME / f"{month}.json"


def load_model(root: UPath, month: str) -> tuple[str, RegimeModel]:
    """The artefact of a month, and the model in it.

    Raises:
        InputError: if it is not there, or is not whole.
    """
    path = model_path(root, month)
    again = f"materialize {NAME!r} for {month} again."
    try:
        text = path.read_text(encoding="utf-8")
        return text, RegimeModel.from_json(text)
    except OSError as error:
        raise InputError(f"the regime model {path} cannot be read ({error.strerror}); {again}") from None
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{path} is no whole regime model ({error}); {again}") from None


def is_fitted(root: UPath, month: str) -> bool:
    """Whether a month has parameters that can be read."""
    try:
        load_model(root, month)
    except InputError:
        return False
    return True


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
        code_version=table_version(NAME),
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
        fingerprints = feature_versions(NAME)
        for month in selected(context):
            model = None if config.refit else published_model(lake.path, month, fingerprints)
            if model is None:
                model = fit_regime_model(history.read(month), month)
                past = {name: digest for name, digest in history.digests().items() if name < month}
                notes = partition_metadata(pl.DataFrame(), fingerprints, {"price_features": past})
                publish_model(lake.path, month, model, notes | stamp(context))
            facts = {"version": model.version, "dagster/uri": str(model_path(lake.path, month))}
            context.add_asset_metadata(facts, partition_key=month)
        return dg.MaterializeResult()

    return fitted


def published_model(root: UPath, month: str, fingerprints: Mapping[str, str]) -> RegimeModel | None:
    """The model of a month, if it is whole and was fitted by code that behaves as the present one does."""
    try:
        text, model = load_model(root, month)
    except InputError:
        return None
    noted = json.loads(json.loads(text).get("notes", {}).get(FINGERPRINTS, "{}"))
    return model if noted == fingerprints else None


def publish_model(root: UPath, month: str, model: RegimeModel, notes: Mapping[str, str]) -> None:
    """Replace the model of a month, and keep the one that is replaced if it is another."""
    path = model_path(root, month)
    with suppress(InputError):
        text, before = load_model(root, month)
        if before.version == model.version:
            notes = {**notes, PUBLISHED_AT: json.loads(text)["notes"].get(PUBLISHED_AT, notes[PUBLISHED_AT])}
        else:
            _write(superseded_path(root, month, before.version), text)
    _write(path, model.to_json(notes))


def superseded_path(root: UPath, month: str, version: str) -> UPath:
    """Where a model is kept after another one of its month was published."""
    return root / NAME / "superseded" / month / f"{version}.json"


def _write(path: UPath, text: str) -> None:
    """Write whole or not at all: beside the file and then over it; an upload to a bucket is atomic by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in ("", "file"):
        path.write_text(text)
        return
    with whole_file(Path(path.path)) as file:
        file.write(text.encode())
