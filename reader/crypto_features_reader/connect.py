"""From an address to what reads there."""

from pathlib import Path

from crypto_features_reader.backend import ReadBackend
from crypto_features_reader.errors import SettingsError

SQLITE, REDIS, POSTGRES, HTTP = ("sqlite",), ("redis", "rediss", "unix"), ("postgresql", "postgres"), ("http", "https")


def connect(url: str) -> ReadBackend:
    """The database at `sqlite:///…`, `redis://…`, `rediss://…` or `postgresql://…`.

    Raises:
        SettingsError: if the address has another form, or its driver is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme in SQLITE:
        from crypto_features_reader.sqlite import SqliteReader

        return SqliteReader(file_of(url))
    try:
        from crypto_features_reader.address import checked

        if scheme in REDIS:
            from crypto_features_reader.redis import RedisReader

            return RedisReader(checked(url, "Valkey or Redis"))
        if scheme in POSTGRES:
            from crypto_features_reader.postgres import PostgresReader

            return PostgresReader(checked(url, "PostgreSQL"))
    except ImportError as error:
        raise missing(scheme, error) from None
    raise unknown(url)


def file_of(url: str) -> Path:
    """The file of `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    return Path(url.partition("://")[2].removeprefix("/"))


def missing(scheme: str, error: ImportError) -> SettingsError:
    """The error of a driver that is not installed."""
    extra = "redis" if scheme in REDIS else "postgres"
    return SettingsError(f"{error}: install the driver of {scheme}://, pip install 'crypto-features-reader[{extra}]'.")


def unknown(url: str) -> SettingsError:
    """The error over an address of another kind, which may begin with its password."""
    scheme, _, rest = url.partition("://")
    import re

    shown = f"{scheme}://…" if rest and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) else "such an address"
    return SettingsError(
        f"an online store at {shown} is not known; expected sqlite:///…, redis://…, postgresql://… or http://…"
    )
