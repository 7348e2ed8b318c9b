"""The guard before Dagster's web server: what a foreign page sends is refused, what the UI and programs send passes."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from crypto_features.host.web_guard import WebGuard, refusal

HOST = "127.0.0.1:3000"
Headers = dict[str, str]


def scope(method: str, path: str, headers: Headers, kind: str = "http") -> dict[str, Any]:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "method": method, "path": path, "headers": sent}


def status(method: str, path: str, **headers: str) -> int:
    named = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    refused = refusal(scope(method, path, named))
    return 200 if refused is None else refused[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://localhost:3000"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": f"http://{HOST}", "sec_fetch_site": "cross-site"},
    ],
)
def test_a_change_that_another_page_asks_for_is_refused(headers: Headers) -> None:
    assert status("POST", "/graphql", **headers) == 403
    assert status("POST", "/report_asset_materialization/candles", **headers) == 403
    assert status("DELETE", "/runs", **headers) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str) -> None:
    for method in ("GET", "POST"):
        assert status(method, "/", host=host) == 403


def test_two_hosts_are_refused() -> None:
    twice = scope("GET", "/", {"host": HOST})
    twice["headers"] *= 2
    assert refusal(twice) is not None


@pytest.mark.parametrize("host", [HOST, "localhost:3000", "[::1]:3000", "LOCALHOST:8080", "127.0.0.1"])
def test_the_ui_is_served_on_every_name_and_port_of_this_machine(host: str) -> None:
    assert status("GET", "/", host=host) == 200
    assert status("POST", "/graphql", host=host, origin=f"http://{host}", sec_fetch_site="same-origin") == 200


def test_graphql_is_not_answered_by_get_but_its_page_is() -> None:
    assert status("GET", "/graphql") == 405
    assert status("GET", "/graphql/", accept="*/*") == 405
    assert status("GET", "/graphql", accept="text/html,application/xhtml+xml") == 200


def test_a_link_from_elsewhere_and_a_program_pass() -> None:
    assert status("GET", "/runs/1", sec_fetch_site="cross-site") == 200
    assert status("POST", "/graphql") == 200
    assert status("POST", "/report_asset_materialization/candles") == 200


def answers(request: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    """What a client is sent by a guarded application that says yes to everything."""
    sent: list[MutableMapping[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(WebGuard(app)(request, receive, send))
    return sent


def test_what_passes_may_not_be_shown_in_a_frame() -> None:
    (start,) = answers(scope("GET", "/", {"host": HOST}))
    assert start["headers"] == [(b"x", b"y"), (b"x-frame-options", b"DENY")]


def test_a_refusal_says_why_and_a_web_socket_is_closed_before_it_opens() -> None:
    start, body = answers(scope("POST", "/graphql", {"host": HOST, "origin": "https://evil.example"}))
    assert (start["status"], body["body"]) == (403, b"a request of another web page is refused\n")
    foreign = scope("GET", "/graphql", {"host": HOST, "origin": "https://evil.example"}, "websocket")
    (closed,) = answers(foreign)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
