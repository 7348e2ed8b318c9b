"""From an address to the backend that answers there."""

import re
from pathlib import Path

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings
from crypto_features.store.online.backend import Backend
from crypto_features.store.online.sqlite import SqliteBackend
from crypto_features.whole_file import on_disk
from crypto_features_reader.address import checked


def connect(url: str) -> Backend:
    """The backend at `sqlite:///…`, `redis://…`, `rediss://…` or `postgresql://…`.

    An empty address follows the settings. A relative SQLite path starts at the data folder.

    Raises:
        SettingsError: if the address has another form, or a bucket is asked to hold a SQLite file.
    """
    settings = Settings.load()
    url = url or settings.online_url
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return SqliteBackend(local_path(rest.removeprefix("/"), settings))
    if scheme in ("redis", "rediss", "unix"):
        from crypto_features.store.online.redis import RedisBackend

        return RedisBackend(checked(url, "Valkey or Redis"))
    if scheme in ("postgresql", "postgres"):
        from crypto_features.store.online.postgres import PostgresBackend

        return PostgresBackend(checked(url, "PostgreSQL"))
    # An address of another form may begin with its password.
    shown = f"{scheme}://…" if rest and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else "such an address"
    raise SettingsError(f"an online store at {shown} is not known; expected sqlite:///…, redis://… or postgresql://…")


def local_path(name: str, settings: Settings) -> Path:
    """The file below the data folder, unless the path is absolute."""
    path = Path(name)
    if path.is_absolute():
        return path
    folder = on_disk(settings.root)
    if folder is None:
        raise SettingsError(
            f"CRYPTO_FEATURES_DATA={settings.data} is a bucket, which cannot hold the SQLite file {name}; "
            "set CRYPTO_FEATURES_STORE=postgres or redis."
        )
    return folder / path
