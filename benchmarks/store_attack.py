"""The HTTP server under attack: what valid clients wait meanwhile, and whether the server grows.

`python -m benchmarks.store_attack` prints the table; `--seconds 600` attacks for ten minutes. The market is the sample.
Valid load is 20 requests a second for a service, each on a connection of its own. The attack, of two processes: 450
connections that drip a header or stall in a body, headers without end, 100 requests a second without the token.
With `--apart` the attackers have a core of their own, as they have a machine of their own elsewhere.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from benchmarks.store_process import quantile, table

TOKEN = "of-the-benchmark"  # noqa: S105 - of a server on loopback that ends with the benchmark.
RATE, FLOOD = 20, 100
HELD = 450
OK = 200
BODY = json.dumps({"feature_service": "trading_features", "entities": {"symbol": ["BTC", "ETH"]}}).encode()
HEAD = f"POST /get-online-features HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
HEAD += b"Content-Type: application/json\r\n"


def main() -> None:
    """Print the waiting times of valid requests in rest and under attack, and the server's memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--apart", action="store_true")
    asked = parser.parse_args()
    seconds, apart = asked.seconds, sorted(os.sched_getaffinity(0))[-1:] if asked.apart else []
    if apart:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {*apart})
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (port, process):
        load(port, 5)
        rest = load(port, min(seconds, 60))
        before = memory(process)
        context = get_context("spawn")
        attackers = [context.Process(target=attack, args=(port, seconds)) for attack in (hold, flood)]
        for attacker in attackers:
            attacker.start()
            if apart and attacker.pid is not None:
                os.sched_setaffinity(attacker.pid, apart)
        attacked = load(port, seconds)
        after = memory(process)
        for attacker in attackers:
            attacker.join()
    rows = [
        {"": name, "requests": len(found), "without an answer": failed}
        | {label: f"{quantile(found, q) * 1e3:.1f} ms" for label, q in (("p50", 0.5), ("p99", 0.99), ("slowest", 1.0))}
        for name, (found, failed) in (("at rest", rest), ("under attack", attacked))
    ]
    print(table(rows))
    print(f"\nMemory of the server: {before:.0f} MB before, {after:.0f} MB after {seconds:g} seconds.")


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process of a server over the sample market."""
    program = str(Path(sys.executable).with_name("crypto-features"))
    environment = {**os.environ, "CRYPTO_FEATURES_DATA": str(folder), "CRYPTO_FEATURES_SERVE_TOKEN": TOKEN}
    subprocess.run([program, "run"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with subprocess.Popen([program, "serve", "--port", str(port)], env=environment) as process:
        while ask(port) is None:
            time.sleep(0.2)
        yield port, process.pid
        process.send_signal(signal.SIGTERM)


def ask(port: int, token: str = TOKEN) -> int | None:
    """The status of the answer; none if there is no connection."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        try:
            connection.request("POST", "/get-online-features", BODY, headers)
            answer = connection.getresponse()
            answer.read()
        except OSError:
            return None
        return answer.status


def load(port: int, seconds: float) -> tuple[list[float], int]:
    """The waiting times of valid requests, and how many did not get an answer; all of one client."""
    found, failed, until = [], 0, time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        failed += ask(port) != OK
        found.append(time.perf_counter() - begun)
        time.sleep(max(0.0, 1 / RATE - found[-1]))
    return found, failed


def hold(port: int, seconds: float) -> None:
    """Hold connections that never say anything useful; each that is ended is opened again."""
    held: list[socket.socket] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        while len(held) < HELD:
            one = socket.create_connection(("127.0.0.1", port))
            stalls = len(held) % 9 == 0
            one.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{" if stalls else b"GET /health HTTP/1.1\r\nX: ")
            held.append(one)
        for one in list(held):
            try:
                one.sendall(b"x")
            except OSError:
                one.close()
                held.remove(one)
        time.sleep(1)
    for one in held:
        one.close()


def flood(port: int, seconds: float) -> None:
    """Requests without the token, and now and then a header without end."""
    until = time.monotonic() + seconds
    for number in count():
        if time.monotonic() > until:
            return
        ask(port, token="")
        if number % FLOOD == 0:
            with closing(socket.create_connection(("127.0.0.1", port))) as one, suppress(OSError):
                one.sendall(b"GET /health HTTP/1.1\r\nX: " + b"x" * 20_000_000)
        time.sleep(1 / FLOOD)


def memory(process: int) -> float:
    """Resident memory of a process in MB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    main()
