"""Whoever waits for the heartbeat hears it while alerts work, and does not while one is left unsaid."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from crypto_features.automation import watch
from crypto_features.automation.alerts import Problem
from crypto_features.automation.webhook import Webhook
from crypto_features.errors import TransientError
from crypto_features.graph.lake import LakeResource
from crypto_features.settings import Settings
from crypto_features.shipped import catalog

WRONG = Problem("stale:candles", "Stale: candles", "Too old.", "run")


class Receiver(ThreadingHTTPServer):
    """Takes alerts and heartbeats, and says what came."""

    status = 200

    def __init__(self) -> None:
        self.came: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self.server.came.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(self.server.status)
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """What a look finds."""
    found: list[Problem] = []
    monkeypatch.setattr(watch, "failed_runs", lambda *_: iter(found))
    monkeypatch.setattr(watch, "troubled_tables", lambda *_: iter(()))
    monkeypatch.setattr(watch, "silent_markets", lambda *_: iter(()))
    return found


def look(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, cursor: str | None = None, *, webhook: bool = True
) -> str:
    """One look of the sensor, with what it says at its end and its cursor."""
    url = f"http://127.0.0.1:{receiver.server_port}"
    monkeypatch.setenv("CRYPTO_FEATURES_ALERT_WEBHOOK", f"{url}/alerts" if webhook else "")
    monkeypatch.setenv("CRYPTO_FEATURES_HEARTBEAT_URL", f"{url}/beat/secret")
    sensor = watch.alert_sensor(Settings.load(), catalog, [], dg.DefaultSensorStatus.RUNNING)
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(
            instance, cursor=cursor, resources={"lake": LakeResource(root="nowhere", interval_minutes=60)}
        )
        said = sensor(context)
    assert isinstance(said, dg.SkipReason)
    return f"{said.skip_message} {context.cursor}"


@pytest.mark.usefixtures("problems")
def test_a_look_that_finds_nothing_is_heard(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(receiver, monkeypatch) == "nothing is wrong None"
    assert receiver.came == ["GET /beat/secret"]


def test_what_was_reported_is_heard_after_it(
    receiver: Receiver, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems.append(WRONG)
    assert "1 began, 0 ended: reported" in look(receiver, monkeypatch)
    assert receiver.came == ["POST /alerts", "GET /beat/secret"]


def test_a_receiver_of_alerts_that_is_away_leaves_no_heartbeat(
    receiver: Receiver, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems.append(WRONG)
    receiver.status = 500
    with pytest.raises(TransientError, match="alert webhook answered 500"):
        look(receiver, monkeypatch)
    assert receiver.came == ["POST /alerts"]


def test_without_a_receiver_of_alerts_a_problem_is_silence(
    receiver: Receiver, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems.append(WRONG)
    assert "no webhook is set" in look(receiver, monkeypatch, webhook=False)
    assert receiver.came == []


def test_a_heartbeat_that_is_not_taken_undoes_no_report_and_hides_its_address(
    receiver: Receiver, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problems.append(WRONG)
    monkeypatch.setattr(Webhook, "call", _only_alerts(receiver))
    said = look(receiver, monkeypatch)
    assert "reported; the heartbeat address answered 404 and took nothing; check CRYPTO_FEATURES_HEARTBEAT_URL" in said
    assert "stale:candles" in said
    assert "secret" not in said


def _only_alerts(receiver: Receiver) -> object:
    call = Webhook.call

    def asked(one: Webhook, url: str, message: Mapping[str, Any] | None = None) -> None:
        receiver.status = 404 if message is None else 200
        call(one, url, message)

    return asked
