"""Prometheus reads how the live process is from the server's metrics."""

from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from crypto_features.lake import live_status
from crypto_features.lake.live_status import LiveStatus
from crypto_features.store.live_figures import LiveFigures
from tests.market.market import HOUR, START

SECOND = timedelta(seconds=1)


def figures(folder: Path) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(LiveFigures(folder, START + HOUR + 90 * SECOND))
    lines = generate_latest(registry).decode().splitlines()
    told = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("crypto_features_live_"): float(value) for name, value in told}


def test_the_status_of_the_live_process_is_among_the_figures(tmp_path: Path) -> None:
    assert figures(tmp_path) == {}
    counts = {"flag": 5, "successor": 0, "rest": 2, "corrected": 1, "rejected": 3, "disconnected": 4, "unreadable": 0}
    times, due = {"signals": START}, {"signals": START + HOUR}
    delays, at = {"signals": 3 * SECOND}, START + HOUR
    told = LiveStatus(began=START, at=at, stopped=False, symbols=2, counts=counts, newest=times, due=due, delays=delays)
    live_status.write(tmp_path, told)
    assert figures(tmp_path) == {
        "running": 1,
        "symbols": 2,
        "status_age_seconds": 90,
        'candles_total{by="flag"}': 5,
        'candles_total{by="successor"}': 0,
        'candles_total{by="rest"}': 2,
        "corrections_total": 1,
        "rejected_total": 3,
        "reconnects_total": 4,
        'lag_seconds{view="signals"}': 90,
        'delay_seconds{view="signals"}': 3,
    }
