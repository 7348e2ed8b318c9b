"""What is switched off stays off: whatever happens to the online store, and whoever hangs."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import Backend
from crypto_features.store.online.connect import connect
from crypto_features.store.online.sqlite import SqliteBackend
from crypto_features.store.online.switches import RegistryCopy, Switches
from crypto_features_reader.reading import KNOWN
from tests.servers import lose_everything
from tests.services.rows import row

OFF = {"BTC": "halted"}
HOLD = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The file of a registry."""
    path = tmp_path / "registry" / "registry.db"
    path.parent.mkdir()
    sqlite3.connect(path).execute("CREATE TABLE projects (name TEXT)").connection.close()
    return path


@pytest.fixture
def copy(registry: Path) -> RegistryCopy:
    return RegistryCopy(f"sqlite:///{registry}", {})


def emptied(backend: Backend, url: str, folder: Path) -> Backend:
    """The online store after everything in it was lost."""
    backend.close()
    lose_everything(url, folder)
    return connect(url)


def test_a_store_that_lost_everything_still_serves_nothing_that_is_off(
    backend: Backend, url: str, copy: RegistryCopy, tmp_path: Path
) -> None:
    switches = Switches(backend, copy)
    switches.agree()
    switches.off("BTC", "halted")
    assert switches.read() == OFF
    empty = emptied(backend, url, tmp_path)
    again = Switches(empty, copy)
    assert empty.switches() == {}
    assert again.read() == OFF, "before anything is published"
    again.agree()
    assert dict(empty.switches()).keys() == {"BTC", KNOWN}
    again.on("BTC")
    assert (again.read(), copy.read()) == ({}, {})
    empty.close()


def test_a_store_that_lost_its_switches_serves_nothing_while_the_registry_is_silent(
    backend: Backend, url: str, copy: RegistryCopy, registry: Path, tmp_path: Path
) -> None:
    switches = Switches(backend, copy)
    switches.off("BTC", "halted")
    switches.agree()
    registry.write_bytes(b"not a database" * 100)
    assert switches.read() == OFF, "a store that knows its switches needs nobody"
    empty = emptied(backend, url, tmp_path)
    with pytest.raises(StoreUnreachableError, match="the registry, which knows what is switched off, does not answer"):
        Switches(empty, copy).read()
    empty.close()


def test_a_registry_that_was_lost_learns_them_again(backend: Backend, copy: RegistryCopy, registry: Path) -> None:
    switches = Switches(backend, copy)
    switches.off("BTC", "halted")
    registry.unlink()
    assert switches.read() == OFF
    switches.off("ETH", "noted where there is no registry, too")
    sqlite3.connect(registry).close()
    registry.write_bytes(b"")
    again = RegistryCopy(f"sqlite:///{registry}", {})
    Switches(backend, again).agree()
    assert again.read().keys() == {"BTC", "ETH"}


def test_what_is_off_in_one_place_is_off_until_it_is_on_in_both(
    backend: Backend, copy: RegistryCopy, registry: Path
) -> None:
    switches = Switches(backend, copy)
    switches.off("BTC", "halted")
    locked = sqlite3.connect(registry, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnreachableError):
        switches.on("BTC")
    switches.off("ETH", "while the registry is held")
    assert time.monotonic() - began < 5
    locked.close()
    assert {*switches.read()} == {"BTC", "ETH"}
    switches.agree()
    assert {*copy.read()} == {"BTC", "ETH"}


def test_a_publisher_that_was_stopped_does_not_keep_the_kill_switch_waiting(tmp_path: Path, copy: RegistryCopy) -> None:
    backend = SqliteBackend(tmp_path / "online.db")
    backend.write("prices", [row(1)])
    publisher = subprocess.Popen(  # a transaction that nobody ends.
        [sys.executable, "-c", HOLD, str(backend.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == "held\n"
        os.kill(publisher.pid, signal.SIGSTOP)
        began = time.monotonic()
        Switches(backend, copy).off("BTC", "halted")
        assert Switches(SqliteBackend(backend.path), copy).read() == OFF
        assert time.monotonic() - began < 1
    finally:
        publisher.kill()
        publisher.wait()
        assert publisher.stdout is not None
        publisher.stdout.close()


def test_rows_alone_can_be_deleted(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "online.db")
    backend.write("prices", [row(1)])
    backend.switch_off("BTC", "halted")
    for path in (tmp_path / "online.db", tmp_path / "online.db-wal", tmp_path / "online.db-shm"):
        path.unlink(missing_ok=True)
    again = SqliteBackend(tmp_path / "online.db")
    assert (again.scan("prices"), again.switches()) == ([], OFF)


def test_switches_of_version_0_1_hold_until_they_are_switched_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "online.db") as older:
        older.execute("CREATE TABLE __switches (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
        older.execute("INSERT INTO __switches VALUES ('BTC', 'halted')")
    older.close()
    backend = SqliteBackend(tmp_path / "online.db")
    assert backend.switches() == OFF
    backend.switch_on("BTC")
    assert backend.switches() == {}


def test_a_damaged_file_of_switches_is_named_and_nothing_is_served(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "online.db")
    backend.write("prices", [row(1)])
    (tmp_path / "online_switches.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreMisusedError, match=r"online_switches\.db, which says what is switched off, is damaged"):
        backend.switches()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    copy = RegistryCopy(f"sqlite:///{folder}/registry.db", {})
    assert Switches(SqliteBackend(folder / "online.db"), copy).read() == {}
    assert not folder.exists()
