"""An empty online store of each kind; the servers behind them are those of every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from crypto_features.store.online.backend import Backend
from crypto_features.store.online.connect import connect


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
