"""How old the rows of each view of the online store are, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crypto_features.errors import CryptoFeaturesError
from crypto_features.store.online.freshness import Freshness

_PREFIX = "crypto_features_"


class ViewFigures(Collector):
    """Figures of each view; without the store only that it does not answer.

    Args:
        ask: Gives how old the rows of each view are.
    """

    def __init__(self, ask: Callable[[], Mapping[str, Freshness]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        found: Mapping[str, Freshness] = {}
        try:
            found = self._ask()
            answers = 1.0
        except CryptoFeaturesError:
            answers = 0.0
        yield GaugeMetricFamily(f"{_PREFIX}online_store_up", "Whether registry and online store answer.", answers)
        age = _by_view("view_age_seconds", "Age of the newest online row.")
        allowed = _by_view("view_allowed_seconds", "Age up to which a value is served.")
        expired = _by_view("view_expired_symbols", "Symbols whose row is older than that.")
        for view, one in found.items():
            if one.age is not None:
                age.add_metric([view], one.age.total_seconds())
            if one.allowed is not None:
                allowed.add_metric([view], one.allowed.total_seconds())
            expired.add_metric([view], len(one.expired))
        yield from (age, allowed, expired)


def _by_view(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=["view"])
