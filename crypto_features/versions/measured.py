"""The two parts of the version of every table: how it behaves on the probe market, and what defines it.

Behaviour takes two seconds to measure, so it is measured once for each state of the code and read back from the user's
cache folder (`XDG_CACHE_HOME`, `~/.cache` by default). The file is named by a digest of all code that the measurement
runs, wherever it is stored, of the probe market, and of the versions of the libraries, so a change of any of them is
measured again, and the folder may be shared. Without a writable folder each process measures for itself.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from crypto_features.catalogs import current_catalog
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.versions.definition import Reader, table_definitions
from crypto_features.versions.fingerprint import combined, table_fingerprints
from crypto_features.whole_file import whole_file

_reader = cache(Reader)


def table_version(table: str) -> str:
    """The version of a computed table."""
    return combined(feature_versions(table))


def code_version(table: str) -> str:
    """Version of behaviour and definition: a table that was computed by another one may hold other values somewhere."""
    defined = {f"definition of {column}": digest for column, digest in current_definitions()[table].items()}
    return combined({**feature_versions(table), **defined})


def feature_versions(table: str) -> Mapping[str, str]:
    """The version of each column of a computed table: how it behaves."""
    return versions()[table]


def versions() -> Mapping[str, Mapping[str, str]]:
    """The version of each column, by table, at the completeness that the settings ask of a bar."""
    return _versions(current_catalog(), Settings.load().min_completeness)


@cache
def _versions(catalog: Catalog, min_completeness: float) -> Mapping[str, Mapping[str, str]]:
    """Each version is measured at `MIN_COMPLETENESS`; at another it is another."""
    if min_completeness == MIN_COMPLETENESS:
        return measured(catalog)
    asks = {name for name, group in catalog.groups.items() if group.completeness is None}
    return {
        table: {name: f"{mark}@{min_completeness}" for name, mark in columns.items()} if table in asks else columns
        for table, columns in measured(catalog).items()
    }


@cache
def measured(catalog: Catalog) -> Mapping[str, Mapping[str, str]]:
    """The version of each column, by table, as it was measured on the probe market."""
    path = _folder() / f"versions-{_reader().digest(table_fingerprints, catalog.tables)}.json"
    with suppress(OSError, ValueError, KeyError):
        stored: dict[str, dict[str, str]] = unsealed(path.read_bytes())["versions"]
        return stored
    found = table_fingerprints(catalog)
    with suppress(OSError), whole_file(path) as file:
        file.write(sealed({"versions": found}).encode())
    return found


def current_definitions() -> Mapping[str, Mapping[str, str]]:
    """The definition of each column, by table: the tables and columns of `versions()`."""
    return _definitions(current_catalog())


@cache
def _definitions(catalog: Catalog) -> Mapping[str, Mapping[str, str]]:
    return table_definitions(catalog, _reader())


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "crypto-features"
