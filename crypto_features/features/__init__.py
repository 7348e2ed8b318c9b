"""Ring 1, pure: what a feature is, every feature there is, and how one partition of them is computed."""

from crypto_features.features.declaration import Feature, FeatureGroup, FeatureService, Input
from crypto_features.features.fingerprint import feature_fingerprints, fingerprint, table_fingerprints
from crypto_features.features.lineage import lineage
from crypto_features.features.partition import compute_partition
from crypto_features.features.provenance import column_digests, columns_read, input_digest, partition_metadata
from crypto_features.features.regime_model import RegimeModel, fit_regime_model
from crypto_features.features.registry import GROUPS, SERVICES
from crypto_features.features.resample import resample

__all__ = [
    "GROUPS",
    "SERVICES",
    "Feature",
    "FeatureGroup",
    "FeatureService",
    "Input",
    "RegimeModel",
    "column_digests",
    "columns_read",
    "compute_partition",
    "feature_fingerprints",
    "fingerprint",
    "fit_regime_model",
    "input_digest",
    "lineage",
    "partition_metadata",
    "resample",
    "table_fingerprints",
]
