"""An apply changes the registry whole or not at all, wherever it fails or is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from feast import FeatureService, FeatureStore, FeatureView
from psycopg import sql
from sqlalchemy import Engine, create_engine, event, inspect, text

from crypto_features.store import StoreUnreachableError
from crypto_features.store.online.store import GuardedOnlineStore
from tests.store import factory

PARENT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from crypto_features.store import plain_feast
plain_feast.load()
from sqlalchemy import Engine, event
from tests.store.test_whole_apply import objects, opened
left = [int(sys.argv[3])]
def count(*_):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
feast = opened(Path(sys.argv[1]), sys.argv[2])
event.listen(Engine, "before_cursor_execute", count)
feast.apply(objects(Path(sys.argv[1]), "price", "volume"))
"""


@pytest.fixture(params=["sqlite", "postgres"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a registry."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.db"
    address: str = request.getfixturevalue("database")
    return address.replace("postgresql://", "postgresql+psycopg://")


def opened(folder: Path, registry: str) -> FeatureStore:
    return FeatureStore(config=factory.config(folder, registry={"path": registry}))


@pytest.fixture
def feast(tmp_path: Path, registry: str) -> Iterator[FeatureStore]:
    """A store whose registry knows one view."""
    found: FeatureStore = opened(tmp_path, registry)
    found.apply(objects(tmp_path, "price"))
    yield found
    found.registry.write_engine.dispose()


def objects(folder: Path, *features: str) -> list[Any]:
    """A view of each feature, and a service of all of them."""
    views: list[FeatureView] = [factory.view(folder, f"{name}s", {name: pl.Float64}) for name in features]
    return [factory.SYMBOL, *views, FeatureService(name="all", features=views)]


def content(registry: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a registry, without stamps."""
    engine = create_engine(registry)
    with engine.connect() as connection:
        tables = [name for name in inspect(connection).get_table_names() if "switches" not in name]
        rows = {}
        for name in tables:
            columns = [c["name"] for c in inspect(connection).get_columns(name) if c["name"].endswith(("_name", "_id"))]
            kept: Any = connection.execute(text(f"SELECT {', '.join(columns)} FROM {name}")) if columns else []  # noqa: S608 - names of the registry's own tables.
            rows[name] = sorted(tuple(row) for row in kept)
    engine.dispose()
    return rows


class FaultError(Exception):
    """Made by a test."""


@contextmanager
def failing_at(number: int) -> Iterator[None]:
    """The statement of that number fails."""
    seen = [0]

    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise FaultError

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def test_an_apply_that_fails_anywhere_changes_nothing_and_the_next_one_all(
    tmp_path: Path, feast: FeatureStore, registry: str
) -> None:
    old, failed = content(registry), 0
    for number in range(1, 1000):
        with failing_at(number):
            try:
                feast.apply(objects(tmp_path, "price", "volume"))
            except FaultError:
                failed += 1
            else:
                break
        assert content(registry) == old, number
    assert failed > 5
    new = content(registry)
    assert [row[0] for row in new["feature_views"]] == ["prices", "volumes"]
    assert new != old
    feast.apply([], objects_to_delete=[feast.get_feature_view("volumes")], partial=False)
    assert [row[0] for row in content(registry)["feature_views"]] == ["prices"]


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_an_apply_that_is_killed_leaves_the_registry_as_it_was_or_whole(
    tmp_path: Path, feast: FeatureStore, registry: str, count: Callable[..., int]
) -> None:
    old, killed, found = content(registry), 0, []
    for number in range(7, 7 + count(ci=1, proof=100)):
        command = [sys.executable, "-c", KILLED, str(tmp_path), registry, str(number)]
        ended = subprocess.run(command, cwd=PARENT, env={**os.environ, "PYTHONPATH": str(PARENT)}, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        killed += 1
        found.append(content(registry))
        if found[-1] != old:  # what is still asked once it is applied.
            break
    assert killed
    feast.apply(objects(tmp_path, "price", "volume"))
    new = content(registry)
    assert [row[0] for row in new["feature_views"]] == ["prices", "volumes"]
    assert all(state in (old, new) for state in found)
    assert found.count(new) <= 1


def on_postgres(folder: Path, database: str) -> FeatureStore:
    return opened(folder, database.replace("postgresql://", "postgresql+psycopg://"))


def test_an_apply_is_not_ended_by_a_postgres_that_ends_idle_transactions(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        limit = "ALTER DATABASE {} SET idle_in_transaction_session_timeout = '200ms'"
        connection.execute(sql.SQL(limit).format(name))
    made = GuardedOnlineStore.update

    def slow(*args: Any, **kwargs: Any) -> None:
        made(*args, **kwargs)
        time.sleep(0.5)

    monkeypatch.setattr(GuardedOnlineStore, "update", slow)
    feast = on_postgres(tmp_path, database)
    feast.apply(objects(tmp_path, "price"))
    assert [view.name for view in feast.list_feature_views()] == ["prices"]
    feast.registry.write_engine.dispose()


def test_an_apply_whose_connection_is_ended_is_a_transient_error_and_changes_nothing(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feast = on_postgres(tmp_path, database)
    feast.apply(objects(tmp_path, "price"))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "

    def cut(*_: Any, **__: Any) -> None:
        with psycopg.connect(database) as connection:
            connection.execute(f"{others} pg_backend_pid()")

    with monkeypatch.context() as patch:
        patch.setattr(GuardedOnlineStore, "update", cut)
        with pytest.raises(StoreUnreachableError, match="the registry does not answer"):
            feast.apply(objects(tmp_path, "price", "volume"))
    assert [view.name for view in feast.list_feature_views()] == ["prices"]
    feast.apply(objects(tmp_path, "price", "volume"))
    assert len(feast.list_feature_views()) == 2
    feast.registry.write_engine.dispose()
