"""The SQL registry: where it lies and what it holds; `shared_registry` says how two processes share it."""

import json
from hashlib import sha256
from typing import Any

from google.protobuf.json_format import MessageToDict
from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.engine import CreateEnginePlugin
from sqlalchemy.exc import ArgumentError

from crypto_features.settings import Settings
from crypto_features.store.errors import StoreMisusedError
from crypto_features.store.online.address import checked, no_address
from crypto_features.store.online.connect import local_path
from crypto_features.whole_file import make_folder


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
        if engine.dialect.name == "postgresql":
            event.listen(engine, "do_connect", _connect)


def _share_file(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")


def _connect(_dialect: Any, _record: Any, places: Any, options: dict[str, Any]) -> Any:
    from crypto_features.store.online.deadline import PATIENCE, ImpatientConnection

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
