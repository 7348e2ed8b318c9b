"""Small pictures for the graph: pure functions from a frame to a figure, and a figure as inline metadata."""

from crypto_features.graph.plots.distributions import feature_distributions
from crypto_features.graph.plots.prices import price_with_signals, regime_ribbon
from crypto_features.graph.plots.quality import freshness, null_heat_map, quarantine_by_rule
from crypto_features.graph.plots.style import MAX_BYTES, inline, left_out, png

__all__ = [
    "MAX_BYTES",
    "feature_distributions",
    "freshness",
    "inline",
    "left_out",
    "null_heat_map",
    "png",
    "price_with_signals",
    "quarantine_by_rule",
    "regime_ribbon",
]
