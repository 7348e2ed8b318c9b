"""What `/metrics` says is so, and the dashboard asks for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from crypto_features.lake import live_status
from crypto_features.lake.live_status import LiveStatus
from crypto_features.store import FeastResource, StoreUnreachableError, server
from crypto_features.store.online.freshness import Freshness
from crypto_features.store.view_figures import ViewFigures

from .conftest import NOW

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/crypto-features.json"
REQUESTS = "feast_feature_server_request_total"
READ = "feast_feature_server_online_store_read_duration_seconds"
ASKED = {
    "/get-online-features": {"feature_service": "trading_features", "entities": {"symbol": ["BTC"]}},
    "/online-features": {"feature_service": "trading_features", "symbols": ["BTC"]},
}
OWN_WORDS = {"by", "histogram_quantile", "increase", "job", "max", "min", "rate", "sum", "le", "m", "h"}
"""What stands in a query beside metrics and their labels."""


@pytest.fixture
def client(published: FeastResource) -> Iterator[TestClient]:
    with TestClient(server.app()) as opened:
        yield opened


def samples(client: TestClient) -> dict[tuple[str, str], float]:
    """Each figure by its name and labels."""
    return {
        (one.name, json.dumps(one.labels, sort_keys=True)): one.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for one in family.samples
    }


def total(client: TestClient, name: str, label: str = "") -> float:
    return sum(value for (found, labels), value in samples(client).items() if found == name and label in labels)


@pytest.mark.parametrize("path", ASKED)
def test_the_time_of_a_read_is_the_time_that_the_store_took(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 1000, 7))
    monkeypatch.setattr("crypto_features.store.feast_private.monotonic", lambda: next(ticks))
    count, seconds, requests = (total(client, name) for name in (f"{READ}_count", f"{READ}_sum", REQUESTS))
    assert client.post(path, json=ASKED[path]).status_code == 200
    assert total(client, f"{READ}_count") - count == 1
    assert total(client, f"{READ}_sum") - seconds == 7
    assert total(client, REQUESTS) - requests == 1


def test_the_age_of_each_view_is_there(client: TestClient) -> None:
    found = samples(client)
    assert found["crypto_features_online_store_up", "{}"] == 1
    label = json.dumps({"view": "price_features"})
    assert found["crypto_features_view_age_seconds", label] == 30 * 60
    assert found["crypto_features_view_allowed_seconds", label] == 24 * 3600 + 5 * 60
    assert found["crypto_features_view_expired_symbols", label] == 0


def test_a_store_that_is_away_is_a_figure_and_no_failure() -> None:
    def away() -> dict[str, Freshness]:
        raise StoreUnreachableError("it is away")

    registry = CollectorRegistry()
    registry.register(ViewFigures(away))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert lines == ["crypto_features_online_store_up 0.0"]


def test_the_dashboard_asks_for_what_is_exported_and_by_labels_that_are_there(client: TestClient, shared: Path) -> None:
    counts = dict.fromkeys(live_status.COUNTS, 1)
    told = LiveStatus(NOW, NOW, False, 2, counts, {"v": NOW}, {"v": NOW}, {"v": NOW - NOW})  # noqa: FBT003 - as declared.
    live_status.write(shared, told)
    for path, body in ASKED.items():
        client.post(path, json=body)
    exported: dict[str, set[str]] = {}
    for name, labels in samples(client):
        exported.setdefault(name, set()).update(json.loads(labels))
    live_status.place(shared).unlink()
    asked = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    assert len(asked) == 18
    for query in asked:
        words = set(re.findall(r"[a-z_]+", query.replace('"$job"', ""))) - OWN_WORDS
        named = {word for word in words if word.startswith(("crypto_features_", "feast_"))}
        assert named
        assert named <= exported.keys(), query
        assert words - named <= set.union(*(exported[name] for name in named)), query
