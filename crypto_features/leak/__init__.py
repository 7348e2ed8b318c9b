"""The leak test: probes that catch a feature which knows what it cannot know, and the zoo of leaks that proves them."""

from crypto_features.leak.named import named_market
from crypto_features.leak.probes import leak_test
from crypto_features.leak.report import ADVICE, Leak, LeakReport

__all__ = ["ADVICE", "Leak", "LeakReport", "leak_test", "named_market"]
