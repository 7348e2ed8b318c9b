"""Code versions as Dagster shows them: computed on the probe market once for each state of the code, then read back."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from crypto_features.features import GROUPS, feature_fingerprints, fingerprint, regime_model_fingerprint
from crypto_features.settings import Settings

LIBRARIES = ("numpy", "polars", "ta")


def group_version(name: str) -> str:
    """The behavioural version of a feature group."""
    return _versions()[name]


def regime_model_version() -> str:
    """The behavioural version of the regime model's fit."""
    return _versions()["regime_model"]


@cache
def feature_versions(name: str) -> Mapping[str, str]:
    """The behavioural version of each feature of a group."""
    return feature_fingerprints(GROUPS[name])


@cache
def _versions() -> dict[str, str]:
    """Every version. They follow from the code of `features` and its libraries, whose digest names the file."""
    path = Path(str(Settings.load().root)) / ".versions" / f"{_code_digest()}.json"
    if path.is_file():
        stored: dict[str, str] = json.loads(path.read_text())
        return stored
    found = {name: fingerprint(group) for name, group in GROUPS.items()} | {"regime_model": regime_model_fingerprint()}
    if Settings.load().root.protocol in ("", "file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as beside:
            json.dump(found, beside)
        Path(beside.name).replace(path)
    return found


def _code_digest() -> str:
    digest = hashlib.blake2b(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode(), digest_size=8)
    folder = Path(str(files("crypto_features.features")))
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".json"):
            digest.update(path.read_bytes())
    return digest.hexdigest()
