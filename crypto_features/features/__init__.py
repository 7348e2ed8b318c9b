"""Ring 1, pure: what a feature is, every feature there is, and how one partition of them is computed."""

from crypto_features.features.declaration import Feature, FeatureGroup, FeatureService, Input
from crypto_features.features.partition import compute_partition
from crypto_features.features.registry import GROUPS
from crypto_features.features.resample import resample

__all__ = ["GROUPS", "Feature", "FeatureGroup", "FeatureService", "Input", "compute_partition", "resample"]
