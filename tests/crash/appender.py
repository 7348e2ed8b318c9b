"""Kills a writer in mid-write again and again: `python -m tests.crash.appender ROWS|CANDLES FOLDER KILLS SEED`.

The writer says before each write and after it which one it is. What survives must be a prefix of what it wrote: each
write that was acknowledged, and at most the one that was not. Each writer goes on after what the last one left. Polars
is imported here and used in children only.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.lake.table import Table
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.sqlite import SqliteBackend
from tests.market.market import HOUR, START, Offer, candles


def write_row(folder: Path) -> Callable[[int], None]:
    """Publish one row more each time."""
    backend = SqliteBackend(folder / "online.db")
    return lambda n: backend.write("t", [StoredRow(n.to_bytes(4, "big"), n, 0, b"x" * 200)])


def rows(folder: Path) -> list[int]:
    with closing(SqliteBackend(folder / "online.db")) as backend:
        return sorted(int.from_bytes(row.key, "big") for row in backend.scan("t"))


def write_candle(folder: Path) -> Callable[[int], None]:
    """Ingest one candle more each time."""

    def write(n: int) -> None:
        source = Offer(candles("BTC", start=START + (n - 1) * HOUR, count=1))
        now = START + n * HOUR + timedelta(minutes=1)
        ingest(source, table(folder), Table(UPath(folder), "quarantine"), ["2024-01"], ["BTC"], interval=HOUR, now=now)

    return write


def table(folder: Path) -> Table:
    return Table(UPath(folder), "candles", "open_time", raw=True)


def hours(folder: Path) -> list[int]:
    there = table(folder)
    times = there.read()["open_time"].to_list() if there.months() else []
    return [int((time_ - START) / HOUR) + 1 for time_ in times]


KINDS = {"rows": (write_row, rows, 0.01), "candles": (write_candle, hours, 0.1)}
"""How to write, how to read, and within how many seconds a writer is killed."""


def begin(writer: Callable[[Path], Callable[[int], None]], folder: Path, first: int) -> tuple[int, int]:
    """A child that writes from a number on until it is killed, and where it says so."""
    read, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        return child, read
    try:
        write = writer(folder)
        for n in count(first):
            os.write(told, f"+{n}\n".encode())
            write(n)
            os.write(told, f"={n}\n".encode())
    finally:
        os._exit(70)


def survivors(look: Callable[[Path], list[int]], folder: Path) -> list[int]:
    """What a child finds."""
    read, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(told, "w") as pipe:
                json.dump(look(folder), pipe)
        finally:
            os._exit(0)
    os.close(told)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    found: list[int] = json.loads(text)
    return found


def kill_often(kind: str, folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill in mid-write so often; what broke the rule, and how many writes were acknowledged."""
    writer, look, seconds = KINDS[kind]
    dice, broken, in_write, last = random.Random(seed), [], 0, 0
    while in_write < kills:
        child, read = begin(writer, folder, last + 1)
        with os.fdopen(read) as pipe:
            said = [pipe.readline(), pipe.readline()]  # the first write pays for what is opened.
            time.sleep(dice.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            said += pipe
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, said
        acknowledged = max([last, *(int(line[1:]) for line in said if line.startswith("="))])
        in_write += said[-1].startswith("+")
        found = survivors(look, folder)
        if found not in (list(range(1, acknowledged + 1)), list(range(1, acknowledged + 2))):
            broken.append({"acknowledged": acknowledged, "survivors": found[-3:]})
        last = len(found)
    return {"kills": in_write, "acknowledged": last, "broken": broken}


if __name__ == "__main__":
    print(json.dumps(kill_often(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
