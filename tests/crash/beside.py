"""A database server beside the data folder, whose content is saved and brought back together with the folder's."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit


class Server:
    """A database server beside the data folder, whose content is saved and brought back with it.

    Args:
        environment: The settings that choose it.
        save: Saves its content under a name.
        bring_back: Brings back what was saved under a name; without one, nothing.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        save: Callable[[str], None] = lambda _: None,
        bring_back: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.environment, self.save, self.bring_back = environment, save, bring_back


def valkey_server(url: str) -> Server:
    """A Valkey beside the data folder."""
    import redis

    client: Any = redis.Redis.from_url(url)
    saved: dict[str, dict[bytes, bytes]] = {"": {}}

    def save(name: str) -> None:
        saved[name] = {key: client.dump(key) for key in client.scan_iter()}

    def bring_back(name: str) -> None:
        client.flushall()
        for key, value in saved[name].items():
            client.restore(key, 0, value)

    return Server({"CRYPTO_FEATURES_STORE": "redis", "CRYPTO_FEATURES_REDIS_URL": url}, save, bring_back)


def postgres_server(url: str, own: str) -> Server:
    """A PostgreSQL beside the data folder, with a database of its own and a copy of it for each saved state."""
    import psycopg

    name = urlsplit(own).path.removeprefix("/")

    def run(*statements: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def copy(of: str, to: str) -> None:
        with suppress(psycopg.errors.InvalidCatalogName):
            run(f"DROP DATABASE {to} WITH (FORCE)")
        run(f"CREATE DATABASE {to} TEMPLATE {of}")

    def saved(state: str) -> str:
        return f"{name}_{state.replace(' ', '_')}" if state else "template1"

    settings = {"CRYPTO_FEATURES_STORE": "postgres", "CRYPTO_FEATURES_POSTGRES_URL": own}
    return Server(settings, lambda state: copy(name, saved(state)), lambda state: copy(saved(state), name))
