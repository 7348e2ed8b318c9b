"""One Feast store per process, opened when it is first used."""

import importlib.util
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped] # PyYAML ships no types.

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings, project_root
from crypto_features.store import plain_feast
from crypto_features.store.errors import NotAppliedError
from crypto_features.store.online.connect import local_path

if TYPE_CHECKING:
    from feast import FeatureStore

_lock = threading.Lock()
_stores: dict[tuple[object, ...], "FeatureStore"] = {}
APPLY = (
    "Run `crypto-features run`, or `feast apply` in feature_repo/; or name the folder of an applied one in "
    "CRYPTO_FEATURES_DATA."
)
_VARIABLES = tuple(
    f"CRYPTO_FEATURES_{name}" for name in ("DATA", "CATALOG", "STORE", "POSTGRES_URL", "REDIS_URL", "ONLINE_GRACE")
)


def feature_store() -> "FeatureStore":
    """The Feast store of the current settings; the same one for every thread of the process.

    Feast makes a registry where there is none; to read, ask for `applied_store`.
    """
    key = _key()
    with _lock:
        if key not in _stores:
            plain_feast.load()
            from feast import FeatureStore

            _stores[key] = FeatureStore(repo_path=str(repo()))
        return _stores[key]


def applied_store() -> "FeatureStore":
    """`feature_store()` of a registry that is there already: reading creates nothing.

    Raises:
        NotAppliedError: if there is none, naming where it was looked for.
    """
    if _key() not in _stores:
        settings = Settings.load()
        if settings.registry_url.startswith("sqlite:") and not local_path("registry.db", settings).is_file():
            raise NotAppliedError(f"there is no registry at {registry_place()}. {APPLY}")
    return feature_store()


def registry_place() -> str:
    """Where the settings say that the registry is, and which of them says so; without a password."""
    settings = Settings.load()
    if settings.registry_url.startswith("sqlite:"):
        return f"{local_path('registry.db', settings)} (CRYPTO_FEATURES_DATA={settings.data})"
    return "the address in CRYPTO_FEATURES_POSTGRES_URL"


def _key() -> tuple[object, ...]:
    # Not Settings.load(): validating takes longer than a read of the online store.
    return os.getpid(), Path.cwd(), *map(os.environ.get, _VARIABLES)


def require_project(project: str) -> None:
    """Check that Feast's project is the one of the catalog.

    Raises:
        SettingsError: if `feature_store.yaml` names another.
    """
    file = repo() / "feature_store.yaml"
    named = yaml.safe_load(file.read_text(encoding="utf-8")).get("project")
    if named != project:
        raise SettingsError(
            f"{file} says project: {named}, and the catalog is that of {project}: write project: {project} there, "
            f"declare Catalog(..., project={named!r}), or name another catalog in CRYPTO_FEATURES_CATALOG."
        )


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
