"""Training sets: `load` gives one that was built, for pandas, Polars, Arrow and scikit-learn."""

from crypto_features.training.load import Learnable, TrainingData, load

__all__ = ["Learnable", "TrainingData", "load"]
