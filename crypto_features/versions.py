"""The two parts of the version of every table: how it behaves on the probe market, and what defines it.

Behaviour takes two seconds to measure, so it is measured once for each state of the code and read back from the user's
cache folder (`XDG_CACHE_HOME`, `~/.cache` by default). The file is named by a digest of all code that the measurement
runs, wherever it is stored, of the probe market, and of the versions of the libraries, so a change of any of them is
measured anew, and the folder may be shared. Without a writable folder each process measures for itself.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from crypto_features.features.definition import Reader, table_definitions
from crypto_features.features.fingerprint import combined, table_fingerprints
from crypto_features.whole_file import whole_file


def table_version(table: str) -> str:
    """The version of a computed table: of a feature group, of `daily_candles` or of `regime_model`."""
    return combined(feature_versions(table))


def feature_versions(table: str) -> Mapping[str, str]:
    """The version of each column of a computed table: how it behaves."""
    return versions()[table]


@cache
def versions() -> Mapping[str, Mapping[str, str]]:
    """The version of each column, by table."""
    path = _folder() / f"versions-{_reader().digest(table_fingerprints)}.json"
    with suppress(OSError, ValueError):
        stored: dict[str, dict[str, str]] = json.loads(path.read_text())
        return stored
    found = table_fingerprints()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(found).encode())
    return found


@cache
def definitions() -> Mapping[str, Mapping[str, str]]:
    """The definition of each column, by table: the tables and columns of `versions()`."""
    return table_definitions(_reader())


@cache
def _reader() -> Reader:
    return Reader()


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "crypto-features"
