"""The leak test: probes that catch a feature which knows the future, and the zoo of leaks that proves them."""

from crypto_features.features.leak.probes import leak_test
from crypto_features.features.leak.report import Leak, LeakReport

__all__ = ["Leak", "LeakReport", "leak_test"]
