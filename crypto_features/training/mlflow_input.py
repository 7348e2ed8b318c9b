"""One call that notes in MLflow on which training set a model was trained."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from upath import UPath

from crypto_features.errors import InputError
from crypto_features.training.folder import checksum
from crypto_features.training.loaded import TrainingData, load

if TYPE_CHECKING:
    from crypto_features.training.mlflow_dataset import TrainingSetDataset


def log_to_mlflow(training: "TrainingData | str | Path | UPath", *, context: str = "training") -> "TrainingSetDataset":
    """Log a training set as a data set input of the active MLflow run; without one a run is started, as MLflow does.

    Its name, the first 36 characters of its digest, the URI of its folder, the types of its columns and a profile
    (rows, symbols, features, folds, what became of the labels, the share of undecided ones) are logged, with the
    version of each feature as a tag. What MLflow reports to its makers is switched off unless you set it otherwise.

    Args:
        training: The set, the name of a declared one that was built, or a folder.
        context: What the run does with it, as MLflow shows it.

    Returns:
        The data set, as `mlflow.log_metrics(..., dataset=)` takes it.

    Raises:
        InputError: if MLflow is not installed, the folder is not a set, its manifest was changed, or MLflow cannot name
            its place.
    """
    data = training if isinstance(training, TrainingData) else load(training)
    if data.manifest.get("checksum") != checksum(data.manifest):
        raise InputError(
            f"the manifest of {data.path} was changed after it was written; "
            f"crypto-features training-set verify {data.path}"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow
    except ImportError:
        raise InputError("log_to_mlflow needs MLflow: pip install 'crypto-features[mlflow]'") from None
    from crypto_features.training.mlflow_dataset import TrainingSetDataset

    dataset = TrainingSetDataset(data)
    mlflow.log_input(dataset, context=context, tags=dataset.tags)
    return dataset
