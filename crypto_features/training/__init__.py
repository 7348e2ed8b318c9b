"""Training sets: `load` reads one that was built, and `log_to_mlflow` notes it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_features.training.loaded import Learnable as Learnable
    from crypto_features.training.loaded import TrainingData as TrainingData
    from crypto_features.training.loaded import load as load
    from crypto_features.training.mlflow_input import log_to_mlflow as log_to_mlflow

_HOMES = {"Learnable": "loaded", "TrainingData": "loaded", "load": "loaded", "log_to_mlflow": "mlflow_input"}

__all__ = list(_HOMES)  # type checkers read the imports above.


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
