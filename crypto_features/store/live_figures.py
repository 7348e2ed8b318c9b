"""How the live process of a data folder is, for Prometheus."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from upath import UPath

from crypto_features.lake import live_status
from crypto_features.whole_file import on_disk

_PREFIX = "crypto_features_live_"


class LiveFigures(Collector):
    """Figures from the status of the live process; none where it never ran.

    Args:
        root: The data folder.
        now: The time, UTC.
    """

    def __init__(self, root: Path | UPath, now: datetime) -> None:
        self._root, self._now = on_disk(root), now

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        status = None if self._root is None else live_status.read(self._root)
        if status is None:
            return
        one = {
            "running": ("Whether it has not been asked to end.", float(not status.stopped)),
            "symbols": ("Symbols that it follows.", status.symbols),
            "status_age_seconds": ("How long ago it said how it is.", (self._now - status.at).total_seconds()),
        }
        for name, (text, value) in one.items():
            yield GaugeMetricFamily(f"{_PREFIX}{name}", text, value)
        counts = status.counts
        finals = CounterMetricFamily(f"{_PREFIX}candles", "Candles that became final, by what.", labels=["by"])
        for how in ("flag", "successor", "rest"):
            finals.add_metric([how], counts[how])
        yield finals
        for name, key in (("corrections", "corrected"), ("rejected", "rejected"), ("reconnects", "disconnected")):
            yield CounterMetricFamily(f"{_PREFIX}{name}", f"{name.capitalize()} since it began.", counts[key])
        lag = GaugeMetricFamily(f"{_PREFIX}lag_seconds", "For how long the next row has been due.", labels=["view"])
        delay = GaugeMetricFamily(
            f"{_PREFIX}delay_seconds", "From the close of the newest row's bar until it was published.", labels=["view"]
        )
        for view in status.due:
            lag.add_metric([view], 0.0 if status.stopped else status.lag(view, self._now).total_seconds())
            if view in status.delays:
                delay.add_metric([view], status.delays[view].total_seconds())
        yield lag
        yield delay
