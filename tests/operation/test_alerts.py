"""Alerts: sent once, repeated when they last, over when they end, and never lost when the receiver is away."""

import dataclasses
import json
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from crypto_features.automation.alerts import Notice, Problem, due, recall, remember, slack
from crypto_features.automation.webhook import ALERTS
from crypto_features.errors import PermanentError, SettingsError, TransientError

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
REPEAT = timedelta(hours=6)


def problem(key: str = "stale:trading_signals", title: str = "trading_signals is stale") -> Problem:
    return Problem(key, title, "newest row 2026-01-01 22:00", "materialize candles", "http://127.0.0.1:3000/runs")


class Receiver(ThreadingHTTPServer):
    """A webhook on loopback that keeps what it is sent and answers as told."""

    status = 200

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T0/B0/secret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            assert self.headers["Content-Type"] == "application/json"
            self.server.received.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so.
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_problem_is_told_once_until_the_repeat_time_passes() -> None:
    first = due([problem()], {}, NOW, REPEAT)
    assert first.begun == (problem(),)
    again = due([problem()], first.told, NOW + timedelta(hours=5, minutes=59), REPEAT)
    assert again == Notice((), (), first.told)
    later = due([problem()], again.told, NOW + REPEAT, REPEAT)
    assert later.begun == (problem(),)


def test_a_problem_that_ends_is_told_and_may_begin_anew() -> None:
    told = due([problem()], {}, NOW, REPEAT).told
    over = due([], told, NOW, REPEAT)
    assert over.ended == ("trading_signals is stale",)
    assert over.told == {}
    assert due([problem()], over.told, NOW, REPEAT).begun == (problem(),)


def test_two_observations_of_one_problem_are_one_alert() -> None:
    assert len(due([problem(title="age 2 h"), problem(title="age 3 h")], {}, NOW, REPEAT).begun) == 1


def test_the_memory_survives_as_text() -> None:
    told = due([problem()], {}, NOW, REPEAT).told
    assert recall(remember(told)) == told
    assert recall(None) == {}


def test_the_message_has_what_a_person_needs_at_night(receiver: Receiver) -> None:
    notice = due([problem()], {"check:x": ("x fails", NOW)}, NOW, REPEAT)
    ALERTS.call(receiver.url, slack(notice, NOW))
    (message,) = receiver.received
    assert message["text"] == "trading_signals is stale\nOver: x fails"
    text = message["blocks"][0]["text"]["text"]
    assert "<http://127.0.0.1:3000/runs|trading_signals is stale>" in text
    assert "newest row 2026-01-01 22:00" in text
    assert "*Do:* materialize candles" in text
    assert "2026-01-02 03:04 UTC" in message["blocks"][-1]["elements"][0]["text"]


def test_a_message_stays_within_slacks_limits() -> None:
    many = [problem(f"k{i}", "t" * 200) for i in range(300)]
    message = slack(due(many, {}, NOW, REPEAT), NOW)
    blocks = message["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) <= 50
    assert all(len(b["text"]["text"]) <= 3000 for b in blocks if b["type"] == "section")
    assert "280 more" in blocks[20]["text"]["text"]


def test_what_to_do_is_never_cut_off() -> None:
    long = dataclasses.replace(problem(), detail="x" * 5000)
    blocks = slack(due([long], {}, NOW, REPEAT), NOW)["blocks"]
    assert isinstance(blocks, list)
    text = blocks[0]["text"]["text"]
    assert text.endswith("*Do:* materialize candles")
    assert len(text) == 2900


def test_text_of_a_problem_cannot_forge_a_link() -> None:
    text = json.dumps(slack(due([problem(title="<https://evil|run>")], {}, NOW, REPEAT), NOW)["blocks"])
    assert "&lt;https://evil|run&gt;" in text


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, TransientError), (429, TransientError), (404, PermanentError), (302, PermanentError)],
    ids=str,
)
def test_a_refusal_is_typed_and_hides_the_address(receiver: Receiver, status: int, kind: type[Exception]) -> None:
    receiver.status = status
    with pytest.raises(kind, match=str(status)) as caught:
        ALERTS.call(receiver.url, slack(due([problem()], {}, NOW, REPEAT), NOW))
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_receiver_that_is_away_is_transient() -> None:
    with Receiver() as server:
        url = server.url
    with pytest.raises(TransientError, match="not reachable"):
        ALERTS.call(url, {})


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/secret",
        "http://[secret/x",
        "http://user:secret@127.0.0.1/x",
        "http://127.0.0.1:secret/x",
        "http://127.0.0.1:9/sec ret",
        "https://",
        "http://sécret.example/é",
    ],
)
def test_a_webhook_that_is_no_web_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises((SettingsError, TransientError), match=r"webhook|ALERT_WEBHOOK") as caught:
        ALERTS.call(url, {})
    shown = "".join(traceback.format_exception(caught.value))
    assert not [word for word in ("secret", "sec ret", "sécret") if word in shown.replace(f'ALERTS.call("{url}"', "")]
