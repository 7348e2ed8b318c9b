"""The HTTP server: guarded answers, a token, and no server error for bad input."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from typer.testing import CliRunner

from crypto_features.cli import app as command_line
from crypto_features.shipped import catalog
from crypto_features.store import (
    FeastResource,
    Passport,
    StoreUnreachableError,
    registered,
    server,
    server_guard,
    session,
)

BTC = {"features": ["price_features:rsi_14"], "entities": {"symbol": ["BTC", "NEW"]}}


@pytest.fixture
def client(published: FeastResource) -> Iterator[TestClient]:
    with TestClient(server.app(), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def schema(published: FeastResource) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", server.app())


def test_the_answer_carries_status_and_time(client: TestClient) -> None:
    answer = client.post("/get-online-features", json=BTC).json()
    assert answer["metadata"]["feature_names"] == ["symbol", "rsi_14"]
    assert answer["results"][1]["statuses"] == ["PRESENT", "NOT_FOUND"]
    assert answer["results"][1]["event_timestamps"][0] == "2024-03-01T00:00:00Z"


def test_an_expired_value_never_leaves_as_a_number(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-03-03T00:00Z")
    result = client.post("/get-online-features", json=BTC).json()["results"][1]
    assert (result["values"], result["statuses"]) == ([None, None], ["OUTSIDE_MAX_AGE", "NOT_FOUND"])


def test_health_freshness_and_metrics_are_there_and_writing_is_not(client: TestClient) -> None:
    client.post("/get-online-features", json=BTC)
    assert client.get("/health").status_code == 200
    assert client.get("/freshness").json()["price_features"]["age_seconds"] == 1800
    assert "feast_feature_server_request_total" in client.get("/metrics").text
    for path in ("/push", "/write-to-online-store", "/materialize", "/materialize-incremental"):
        assert client.post(path, json={}).status_code == 404


def test_without_the_token_nothing_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server_guard.TOKEN, "s3cret")
    assert client.get("/health").status_code == 200
    for headers in ({}, {b"Authorization": b"Bearer wrong"}, {b"Authorization": "Bearer é".encode()}):
        refused = client.post("/get-online-features", json=BTC, headers=headers)
        assert refused.status_code == 401
        assert "s3cret" not in refused.text
    given = {"Authorization": "Bearer s3cret"}
    assert client.post("/get-online-features", json=BTC, headers=given).status_code == 200


def test_a_passport_is_served_what_it_says_and_nothing_else(client: TestClient) -> None:
    passport = Passport.of_service("trading_features").content
    asked = {"feature_service": "trading_features", "entities": {"symbol": ["BTC"]}}
    answer = client.post("/get-online-features", json={**asked, "passport": passport})
    assert answer.json()["results"] == client.post("/get-online-features", json=asked).json()["results"]
    passport["features"]["price_features:rsi_14"]["behaviour"] = "other"
    answer = client.post("/get-online-features", json={**asked, "passport": passport})
    assert answer.status_code == 422
    assert "other versions than are published: price_features:rsi_14 (trained on other" in answer.json()["detail"]


def test_a_request_too_large_is_refused(client: TestClient) -> None:
    symbols = ["X" * 100] * (server_guard.MOST_BYTES // 100)
    assert client.post("/get-online-features", json={**BTC, "entities": {"symbol": symbols}}).status_code == 413


def test_a_request_too_large_is_refused_also_without_a_length(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    for parts, status in (([b" " * 100_000] * 11, 413), ([json.dumps(BTC).encode()], 200)):
        assert client.post("/get-online-features", content=iter(parts), headers=headers).status_code == status


@pytest.mark.parametrize(
    "request_body",
    [
        {**BTC, "features": ["price_features@v0:nope"]},
        {**BTC, "features": ["price_features@v7:rsi_14"]},
        {**BTC, "features": ["price_features:rsi_14"] * 2},
        {**BTC, "entities": {"x": ["BTC"]}},
        {**BTC, "entities": {"symbol": ["BTC"], "x": []}},
        {**BTC, "entities": {"symbol": [10**30]}},
        {**BTC, "entities": {"symbol": ["\ud800"]}, "include_feature_view_version_metadata": True},
        {**BTC, "entities": {"symbol": [None]}},
    ],
)
def test_bad_input_is_said_to_be_bad(client: TestClient, request_body: Any) -> None:
    answer = client.post(
        "/get-online-features", content=json.dumps(request_body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


def test_what_is_wrong_with_a_body_is_told_without_the_server_or_the_body(client: TestClient) -> None:
    answer = client.post("/get-online-features", json={"features": ["s3cret"], "entities": {"symbol": "s3cret"}})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body.entities.symbol")
    assert not [word for word in ("s3cret", ".py", "File") if word in answer.text]


def test_a_request_of_too_many_values_is_refused_with_the_limit(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_VALUES", 6)
    refs = [f"price_features:{feature.name}" for feature in catalog.groups["price_features"].features[:3]]
    for rows, status in ((2, 200), (3, 422)):
        answer = client.post("/get-online-features", json={"features": refs, "entities": {"symbol": ["BTC"] * rows}})
        assert answer.status_code == status
    assert answer.json()["detail"].startswith("3 rows of 3 features are more than the 6 values")


def test_the_requests_that_are_remembered_stay_few(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "_MOST_REQUESTS", 3)
    fields = catalog.groups["price_features"].features
    for feature in fields:
        registered.resolved(session.feature_store(), [f"price_features:{feature.name}"])
        assert len(session.feature_store()._crypto_features_resolved) <= 3


@pytest.mark.parametrize("error", [TypeError, AttributeError, ValueError, LookupError])
def test_a_mistake_of_the_program_is_a_server_error_and_logged(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def broken(*_: Any) -> None:
        raise error("postgresql://u:s3cret@host")

    monkeypatch.setattr("crypto_features.store.online.sqlite.SqliteBackend.read", broken)
    answer = client.post("/get-online-features", json=BTC)
    assert answer.status_code == 500
    assert "s3cret" not in answer.text
    assert "/get-online-features failed" in caplog.text
    assert error.__name__ in caplog.text


def test_a_store_that_is_away_is_said_to_be_away(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise StoreUnreachableError("the online store does not answer")

    monkeypatch.setattr("crypto_features.store.online.sqlite.SqliteBackend.read", away)
    answer = client.post("/get-online-features", json=BTC)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_input_makes_a_server_error(schema: Any, mode: GenerationMode) -> None:
    operations = [operation.ok() for operation in schema.get_all_operations()]
    assert {"/get-online-features", "/health", "/freshness"} <= {operation.path for operation in operations}
    for operation in operations:
        # Schemathesis' own pytest plugin does not know pytest 9.
        @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error])

        with contextlib.suppress(Unsatisfiable):  # an operation without input cannot be called wrongly.
            call()


def test_other_machines_need_an_option_and_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner().invoke
    assert "--expose" in run(command_line, ["serve", "--host", "0.0.0.0"]).stderr  # noqa: S104 - refused.
    exposed = run(command_line, ["serve", "--host", "0.0.0.0", "--expose"])  # noqa: S104 - refused.
    assert exposed.exit_code == 1
    assert server_guard.TOKEN in exposed.stderr
    behind_a_proxy = run(command_line, ["serve", "--expose"])
    assert (behind_a_proxy.exit_code, behind_a_proxy.stderr) == (1, exposed.stderr)


def test_the_command_line_switches_a_symbol_off_and_on(own: FeastResource) -> None:
    run = CliRunner().invoke
    assert run(command_line, ["disable", "BTC", "--why", "halted"]).exit_code == 0
    assert run(command_line, ["enable", "BTC"]).exit_code == 0
    assert "available: none" in run(command_line, ["enable", "BTC"]).stderr
    assert "did you mean 'price_features'" in run(command_line, ["disable", "price_feature", "--why", "x"]).stderr
