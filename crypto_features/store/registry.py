"""The SQL registry: where it lies and what it holds; `shared_registry` says how two processes share it."""

import json
import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import CreateEnginePlugin, ExceptionContext
from sqlalchemy.exc import ArgumentError

from crypto_features.settings import Settings
from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.connect import local_path
from crypto_features.whole_file import make_folder
from crypto_features_reader import sqlite_seal
from crypto_features_reader.address import checked, no_address


class DataFolderPlugin(CreateEnginePlugin):
    """Puts Feast's registry where the settings say, and no password into any configuration.

    `feature_store.yaml` names it in `sqlalchemy_config_kwargs: {plugins: [crypto_features]}`; the address there is only
    the default. A SQLite file lies below the data folder, and waits for another writer in place of failing.
    """

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        self.url = url

    def update_url(self, url: URL) -> URL:
        settings = Settings.load()
        if settings.registry_url.startswith("sqlite:"):
            path = local_path(url.database or "registry.db", settings)
            try:
                make_folder(path.parent)
            except OSError as error:
                raise StoreMisusedError(
                    f"no registry can lie at {path}: {error}. Name a writable folder in CRYPTO_FEATURES_DATA."
                ) from error
            return url.set(database=str(path))
        try:
            return make_url(checked(settings.registry_url, "PostgreSQL")).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):
            raise no_address("PostgreSQL") from None

    def engine_created(self, engine: Engine) -> None:
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _share_file)
            event.listen(engine, "begin", _require_whole)
            event.listen(engine, "savepoint", _begin)
            event.listen(engine, "commit", _seal)
            event.listen(engine, "handle_error", _name_damage)
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", _connect)


def _share_file(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA busy_timeout = 30000")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except UnicodeDecodeError as error:  # in what SQLite says of a damaged schema.
        raise sqlite3.DatabaseError(str(error)) from None


def _require_whole(connection: Connection) -> None:
    """Before anything is read: a TTL, a field, a pin or a switch that rotted would decide a value."""
    file, looked = _driver(connection), connection.connection.info
    try:
        ((version,),) = file.execute("PRAGMA data_version").fetchall()
        if looked.get("whole at") == version:
            return
        why = sqlite_seal.fault(file)
    except sqlite3.DatabaseError as error:
        if not sqlite_seal.tells_damage(error):
            where = connection.engine.url.database
            raise StoreUnreachableError(f"the registry {where} does not answer: {error}") from error
        why = str(error)
    if why is not None:
        raise _damaged(connection.engine, why)
    looked["whole at"] = version


def _begin(connection: Connection, _name: str) -> None:
    """A savepoint outside a transaction would be committed when it is released, without a seal."""
    file = _driver(connection)
    if not file.in_transaction:
        file.execute("BEGIN")


def _seal(connection: Connection) -> None:
    file = _driver(connection)
    if file.in_transaction:
        sqlite_seal.seal(file)


def _name_damage(context: ExceptionContext) -> None:
    if sqlite_seal.tells_damage(context.original_exception):
        raise _damaged(context.engine, str(context.original_exception)) from context.original_exception


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment] # pysqlite's.
    return driver


def _damaged(engine: Engine | None, why: str) -> StoreMisusedError:
    path = Path((engine and engine.url.database) or "")
    return StoreMisusedError(
        f"the registry {path} is damaged: {why}. It holds which views, versions and services are registered, what was "
        "published when, and a copy of the switches; tables and online rows do not depend on it. Restore a copy, or "
        f"make a new one: {sqlite_seal.removal(path)}, then `crypto-features run`, or `feast apply` in feature_repo/."
    )


def _connect(_dialect: Any, _record: Any, places: Any, options: dict[str, Any]) -> Any:
    from crypto_features_reader.deadline import PATIENCE, ImpatientConnection

    return ImpatientConnection.connect(*places, **{"connect_timeout": int(PATIENCE), **options})


def version(registry: Any, project: str) -> str:
    """A digest of every definition in the registry; it does not depend on when or how often they were applied."""
    found = [
        json.dumps(_definition(MessageToDict(one.to_proto())), sort_keys=True)
        for kind in ("entities", "data_sources", "feature_views", "feature_services")
        for one in getattr(registry, f"list_{kind}")(project)
    ]
    return sha256("\n".join(sorted(found)).encode()).hexdigest()[:12]


def _definition(message: Any) -> Any:
    """A registered object without what Feast notes about it: times, intervals, state and version number."""
    if isinstance(message, dict):
        return {name: _definition(value) for name, value in message.items() if name != "meta"}
    return [_definition(value) for value in message] if isinstance(message, list) else message
