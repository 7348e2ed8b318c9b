"""Code versions as Dagster shows them: each is computed once a process, on the probe market."""

from collections.abc import Mapping
from functools import cache

from crypto_features.features import GROUPS, feature_fingerprints, fingerprint


@cache
def group_version(name: str) -> str:
    """The behavioural version of a feature group."""
    return fingerprint(GROUPS[name])


@cache
def feature_versions(name: str) -> Mapping[str, str]:
    """The behavioural version of each feature of a group."""
    return feature_fingerprints(GROUPS[name])
