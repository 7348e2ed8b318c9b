"""One Feast store per process, opened when it is first used."""

import importlib.util
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from crypto_features.errors import SettingsError
from crypto_features.settings import project_root

if TYPE_CHECKING:
    from feast import FeatureStore

_lock = threading.Lock()
_stores: dict[tuple[object, ...], "FeatureStore"] = {}
_VARIABLES = tuple(f"CRYPTO_FEATURES_{name}" for name in ("DATA", "STORE", "POSTGRES_URL", "REDIS_URL", "ONLINE_GRACE"))


def feature_store() -> "FeatureStore":
    """The Feast store of the current settings; the same one for every thread of the process."""
    # Not Settings.load(): validating takes longer than a read of the online store.
    key = (os.getpid(), Path.cwd(), *map(os.environ.get, _VARIABLES))
    with _lock:
        if key not in _stores:
            from feast import FeatureStore

            _stores[key] = FeatureStore(repo_path=str(repo()))
        return _stores[key]


def repo() -> Path:
    """The folder of `feature_store.yaml`: the project's own, else the installed one.

    Raises:
        SettingsError: if there is none.
    """
    here = project_root() / "feature_repo"
    if (here / "feature_store.yaml").is_file():
        return here
    spec = importlib.util.find_spec("feature_repo")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "feature_store.yaml").is_file():
            return Path(folder)
    raise SettingsError("no feature_repo/feature_store.yaml here or above; run this from the project's root.")
