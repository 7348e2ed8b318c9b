"""A training set as MLflow keeps data sets: name, digest, source, schema and profile. Importing it imports MLflow."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mlflow.data.dataset import Dataset
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.exceptions import MlflowException
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array

from crypto_features.errors import InputError
from crypto_features.training.loaded import TrainingData

DIGEST = 36
"""Characters of a digest that MLflow takes."""
_LIST = "List("
_TYPES: Mapping[str, DataType] = {
    "Boolean": DataType.boolean,
    "Int8": DataType.integer,
    "Int32": DataType.integer,
    "Int64": DataType.long,
    "Float32": DataType.float,
    "Float64": DataType.double,
    "Binary": DataType.binary,
    "Date": DataType.datetime,
    "Datetime": DataType.datetime,
}


class TrainingSetDataset(Dataset):
    """A training set that was built, described by its manifest; no row is read.

    Args:
        data: The set.

    Raises:
        InputError: if its folder is in a place that MLflow has no name for.
    """

    def __init__(self, data: TrainingData) -> None:
        self._manifest = data.manifest
        uri = data.path.absolute().as_uri()
        scheme = urlsplit(uri).scheme
        try:
            source = get_dataset_source_from_json(json.dumps({"uri": uri}), "local" if scheme == "file" else scheme)
        except MlflowException:
            raise InputError(
                f"MLflow knows no source of the kind {scheme!r}, so {uri} cannot be logged; copy the folder to a disk, "
                "S3 or Google Cloud Storage, and log it there."
            ) from None
        super().__init__(source, self._manifest["name"])

    def _compute_digest(self) -> str:
        return str(self._manifest["digest"])[:DIGEST]

    @property
    def schema(self) -> Schema:
        """Names and types of the columns."""
        return Schema([ColSpec(_type(dtype), name) for name, dtype in self._manifest["columns"].items()])

    @property
    def profile(self) -> dict[str, Any]:
        """What the manifest says of the rows, the features, the label and the folds."""
        own, rows = self._manifest, self._manifest["rows"]
        return {
            "num_rows": rows["count"],
            "num_elements": rows["count"] * len(own["columns"]),
            "first": rows["first"],
            "last": rows["last"],
            "symbols": len(own["universe"]),
            **{name: own["declaration"][name] for name in ("features", "as_of")},
            **{name: own[name] for name in ("label", "folds", "built_at", "digest")},
        }

    @property
    def tags(self) -> dict[str, str]:
        """The version of each feature, as `<view>:<feature>`: the fingerprint of the code that computed it."""
        return dict(self._manifest["fingerprints"])

    def to_dict(self) -> dict[str, str]:
        """What MLflow stores."""
        described = {"schema": {"mlflow_colspec": self.schema.to_dict()}, "profile": self.profile}
        return {**super().to_dict(), **{name: json.dumps(what) for name, what in described.items()}}


def _type(dtype: str) -> DataType | Array:
    """MLflow's type for a column of a Polars type."""
    if dtype.startswith(_LIST):
        return Array(_type(dtype.removeprefix(_LIST)))
    return _TYPES.get(dtype.partition("(")[0].rstrip(")"), DataType.string)
