"""Small pictures: pure functions from a frame to a figure, in one look."""

from crypto_features.plots.distributions import feature_distributions
from crypto_features.plots.drift import drift_map
from crypto_features.plots.quality import freshness, null_heat_map, quarantine_by_rule
from crypto_features.plots.style import png

__all__ = [
    "drift_map",
    "feature_distributions",
    "freshness",
    "null_heat_map",
    "png",
    "quarantine_by_rule",
]
