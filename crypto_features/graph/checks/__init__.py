"""Asset checks: blocking where wrong data would be served, warnings elsewhere; each failing one says what to do."""

from crypto_features.graph.checks.graph import every_check

__all__ = ["every_check"]
