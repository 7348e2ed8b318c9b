"""The behavioural version of every table: measured on the probe market once for each state of the code, then read back.

Measuring takes two seconds, reading a millisecond. What is kept lies in the user's cache folder (`XDG_CACHE_HOME`,
`~/.cache` by default), named by a digest of the source of `features` and of the versions of the libraries it computes
with, so another state of either is measured anew. Without a writable folder each process measures for itself.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from crypto_features.features import GROUPS
from crypto_features.features.completeness import MIN_COMPLETENESS
from crypto_features.features.fingerprint import combined, table_fingerprints
from crypto_features.settings import Settings
from crypto_features.whole_file import whole_file

LIBRARIES = ("numpy", "pandas", "polars", "ta")


def table_version(table: str) -> str:
    """The version of a computed table: of a feature group, of `daily_candles` or of `regime_model`."""
    return combined(feature_versions(table))


def feature_versions(table: str) -> Mapping[str, str]:
    """The version of each column of a computed table."""
    return versions()[table]


def versions() -> Mapping[str, Mapping[str, str]]:
    """The version of each column, by table, at the completeness that the settings ask of a bar."""
    return _versions(Settings.load().min_completeness)


@cache
def _versions(min_completeness: float) -> Mapping[str, Mapping[str, str]]:
    """Each version is measured at `MIN_COMPLETENESS`; at another it is another."""
    if min_completeness == MIN_COMPLETENESS:
        return measured()
    settled = {table for table in measured() if table not in GROUPS or GROUPS[table].completeness is not None}
    return {
        table: columns if table in settled else {name: f"{mark}@{min_completeness}" for name, mark in columns.items()}
        for table, columns in measured().items()
    }


@cache
def measured() -> Mapping[str, Mapping[str, str]]:
    """The version of each column, by table, as it was measured on the probe market."""
    path = _folder() / f"versions-{_code_digest()}.json"
    with suppress(OSError, ValueError):
        stored: dict[str, dict[str, str]] = json.loads(path.read_text())
        return stored
    found = table_fingerprints()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps(found).encode())
    return found


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "crypto-features"


def _code_digest() -> str:
    digest = hashlib.blake2b(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode(), digest_size=8)
    folder = Path(str(files("crypto_features.features")))
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".json"):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
