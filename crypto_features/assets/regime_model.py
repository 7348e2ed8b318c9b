"""The regime filter's parameters: a JSON artefact a month, fitted only on what was known before the month began."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features.assets.conditions import follows
from crypto_features.assets.lake import LakeResource, SlidingReader
from crypto_features.assets.partitions import SINGLE_RUN, reaching_back, selected, window
from crypto_features.assets.publish import stamp
from crypto_features.errors import InputError
from crypto_features.features import RegimeModel, fit_regime_model, partition_metadata
from crypto_features.features.plan import MODEL_READS
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


def regime_model(months: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset that fits the parameters of a month."""

    @dg.asset(
        name=NAME,
        group_name="models",
        description="Parameters of the rule-anchored forward filter: Gaussians of the five features for each label "
        "and the transitions between labels. Those of a month come only from rows known before it began.",
        code_version=table_version(NAME),
        kinds={"python", "json"},
        owners=["team:research"],
        partitions_def=months,
        backfill_policy=SINGLE_RUN,
        automation_condition=follows(),
        deps=[dg.AssetDep("price_features", partition_mapping=reaching_back(LOOKBACK))],
    )
    def fitted(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        history = SlidingReader(lake.table("price_features"), LOOKBACK, MODEL_READS)
        fingerprints = feature_versions(NAME)
        for month in selected(context):
            model = fit_regime_model(history.read(month), month)
            path = model_path(lake.path, month)
            past = {name: digest for name, digest in history.digests().items() if name < month}
            notes = partition_metadata(pl.DataFrame(), fingerprints, {"price_features": past})
            _replace(path, model.to_json(notes | stamp(context)))
            context.add_asset_metadata({"version": model.version, "dagster/uri": str(path)}, partition_key=month)
        return dg.MaterializeResult()

    return fitted


def _replace(path: UPath, text: str) -> None:
    """Write whole or not at all: beside the file and then over it; an upload to a bucket is atomic by itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in ("", "file"):
        path.write_text(text)
        return
    with whole_file(Path(path.path)) as file:
        file.write(text.encode())
