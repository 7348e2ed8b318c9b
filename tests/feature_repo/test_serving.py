"""`crypto-features serve` as it runs, attacked over loopback: who sends nothing useful keeps nobody out."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from crypto_features.cli.serve import DRAIN_SECONDS
from crypto_features.shipped import catalog
from crypto_features.store import FeastResource
from crypto_features.store.connections import MOST_CONNECTIONS, MOST_OF_A_CLIENT, REQUEST_SECONDS
from crypto_features.store.server import MOST_VALUES
from tests.feature_repo.conftest import NOW

FEATURES = [f"price_features:{feature.name}" for feature in catalog.groups["price_features"].features]
BTC = json.dumps({"features": FEATURES[:5], "entities": {"symbol": ["BTC"]}}).encode()
ASK = b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Answer(NamedTuple):
    """What came back, and after how long."""

    status: int
    text: str
    kind: str
    seconds: float


class Server:
    """A server that was started as a user starts it."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.log, self.temporary = folder / "serve.log", folder / "tmp"
        self.temporary.mkdir()
        program = str(Path(sys.executable).with_name("crypto-features"))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--port", str(self.port), *options],
                stderr=log,
                stdout=log,
                env={**os.environ, "TMPDIR": str(self.temporary)},
            )
        until = time.monotonic() + 60
        while not self.listens():
            assert time.monotonic() < until
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    def listens(self) -> bool:
        try:
            return self.ask("GET", "/health").status > 0
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        """A request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            begun = time.perf_counter()
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            answer = connection.getresponse()
            text = answer.read().decode()
            sent = answer.headers["Content-Type"].partition(";")[0]
            return Answer(answer.status, text, sent, time.perf_counter() - begun)

    def read(self) -> Answer:
        """A valid request for features."""
        return self.ask("POST", "/get-online-features", BTC)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def end(self) -> float:
        """Seconds until it is gone after it was told to end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - begun


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """A server, ended at the end."""
    server = Server(folder, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(scope="module")
def server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_DATA", str(shared))
        patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
        with serving(tmp_path_factory.mktemp("served")) as found:
            yield found


def test_idle_connections_keep_nobody_out_and_do_not_stay(server: Server) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(MOST_OF_A_CLIENT + 50)]
        answer = server.read()
        assert (answer.status, json.loads(answer.text)["results"][1]["statuses"]) == (200, ["PRESENT"])
        assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < MOST_OF_A_CLIENT + 50
        begun = time.monotonic()
        assert idle[-1].recv(1) == b""
        assert time.monotonic() - begun < REQUEST_SECONDS + 5
    assert MOST_OF_A_CLIENT < MOST_CONNECTIONS


def test_a_request_that_drips_is_ended_in_time_also_on_a_connection_that_was_used(server: Server) -> None:
    with server.connect() as used, server.connect() as fresh:
        used.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.recv(65536).startswith(b"HTTP/1.1 200")
        assert _drip(used) < REQUEST_SECONDS + 3
        assert _drip(fresh) < 3  # it has waited as long beside.


def _drip(connection: socket.socket) -> float:
    """Seconds until a connection on which a byte comes each tenth of a second is ended."""
    begun = time.monotonic()
    for letter in b"GET /health HTTP/1.1\r\nX: " + b"x" * 1000:
        try:
            connection.sendall(bytes([letter]))
        except OSError:
            return time.monotonic() - begun
        time.sleep(0.1)
    raise AssertionError("the connection stayed")


def test_an_endless_header_is_refused_at_once(server: Server) -> None:
    with server.connect() as connection:
        connection.settimeout(5)
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            connection.sendall(b"x" * 300_000_000)
    assert server.read().status == 200


def test_health_answers_while_the_largest_requests_are_read(server: Server) -> None:
    rows = MOST_VALUES // len(FEATURES)
    large = json.dumps({"features": FEATURES, "entities": {"symbol": [f"S{i}" for i in range(rows)]}}).encode()
    statuses: list[int] = []
    threads = _at_once(8, lambda: statuses.append(server.ask("POST", "/get-online-features", large).status))
    slowest = 0.0
    while any(thread.is_alive() for thread in threads):
        health = server.ask("GET", "/health")
        assert health.status == 200
        slowest = max(slowest, health.seconds)
        time.sleep(0.1)
    assert statuses == [200] * 8
    assert slowest < 5  # a bound on waiting in line, which took 30 s; not a measurement.


def _at_once(count: int, work: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_who_leaves_is_no_error_and_who_stalls_does_not_keep_the_server_from_ending(
    published: FeastResource, tmp_path: Path
) -> None:
    with serving(tmp_path) as server:
        with server.connect() as leaves:
            leaves.sendall(ASK + b"Content-Length: 1000\r\n\r\n{")
            time.sleep(0.3)
        with server.connect() as stalls:
            stalls.sendall(ASK + b"Content-Length: 1000\r\n\r\n{")
            assert server.read().status == 200
            assert server.end() < DRAIN_SECONDS + 4
        assert server.log.read_text() == ""
        assert list(server.temporary.iterdir()) == []


def test_a_stream_tells_at_once_and_does_not_keep_the_server_from_ending(
    published: FeastResource, tmp_path: Path
) -> None:
    with serving(tmp_path) as server, closing(server.connect()) as client:
        client.sendall(b"GET /features/trading_features/stream?symbols=BTC HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while b"event: features" not in told or not told.endswith(b"\n\n\r\n"):
            told += client.recv(65536)
        assert b"content-type: text/event-stream" in told
        assert server.end() < DRAIN_SECONDS / 2
        assert client.recv(65536) == b""


def test_workers_do_not_outlive_who_started_them(published: FeastResource, tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as server:
        assert server.read().status == 200
        server.process.kill()
        server.process.wait()
        until = time.monotonic() + DRAIN_SECONDS + 5
        while server.listens():
            assert time.monotonic() < until, "its workers still answer"
            time.sleep(0.1)
        with socket.create_server(("127.0.0.1", server.port)):
            pass  # nobody holds the port.


@pytest.mark.parametrize("damage", ["damaged", "absent"])
def test_health_tells_a_store_that_cannot_serve(own: FeastResource, root: Path, tmp_path: Path, damage: str) -> None:
    for file in root.glob("online*.db*"):
        file.write_bytes(b"no database" * 1000) if damage == "damaged" else file.unlink()
    with serving(tmp_path) as server:
        answer = server.ask("GET", "/health")
    assert answer.status == 503
    assert "online" in json.loads(answer.text)["detail"]


def test_a_body_of_another_kind_is_told_what_to_send(server: Server) -> None:
    answer = server.ask("POST", "/get-online-features", BTC, kind="text/plain")
    assert answer.status == 415
    assert "application/json" in answer.text


def test_the_page_about_it_needs_no_other_host(server: Server) -> None:
    page = server.ask("GET", "/docs").text
    assert "POST /get-online-features" in page
    assert "//" not in page


def test_figures_are_where_they_are_asked_for_and_true(server: Server) -> None:
    def counted() -> float:
        answer = server.ask("GET", "/metrics")
        assert (answer.status, answer.kind) == (200, "text/plain")
        found = re.findall(r'^feast_feature_server_request_total\{.*"success"\} (.*)$', answer.text, re.MULTILINE)
        return sum(map(float, found))

    before = counted()
    for _ in range(7):
        server.read()
    assert counted() - before == 7
