"""Training sets: `load` gives one that was built, for pandas, Polars, Arrow and scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_features.training.loaded import Learnable as Learnable
    from crypto_features.training.loaded import TrainingData as TrainingData
    from crypto_features.training.loaded import load as load

__all__ = ["Learnable", "TrainingData", "load"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.loaded"), name)
    globals()[name] = found
    return found
