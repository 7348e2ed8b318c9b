"""Which catalog this process works on: the one that a setting names, or the one that an installed package offers."""

import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from crypto_features.errors import CryptoFeaturesError, SettingsError
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog

GROUP = "crypto_features.catalogs"
"""The group of entry points by which a package offers its catalog."""
SHIPPED = "shipped"
"""The entry point of the catalog that is used if no other package offers one."""


def current_catalog() -> Catalog:
    """The catalog of the setting `CRYPTO_FEATURES_CATALOG`, else that of the one package that offers one.

    Raises:
        SettingsError: if it cannot be loaded, is no catalog, or several packages offer one.
    """
    return _load(Settings.load().catalog or _offered())


def _offered() -> str:
    offered = {entry.name: entry.value for entry in _entries()}
    own = sorted(offered.keys() - {SHIPPED})
    if len(own) > 1:
        raise SettingsError(
            f"several installed packages offer a catalog ({', '.join(own)}); set CRYPTO_FEATURES_CATALOG to the one of "
            f"this project, such as {offered[own[0]]}."
        )
    if not offered:
        raise SettingsError(
            "no installed package offers a catalog, not even crypto-features: install it again, or set "
            "CRYPTO_FEATURES_CATALOG, such as crypto_features.shipped:catalog."
        )
    return offered[own[0] if own else SHIPPED]


@cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


@cache
def _load(where: str) -> Catalog:
    module, _, name = where.partition(":")
    if not name or not all(part.isidentifier() for part in module.split(".")):
        raise SettingsError(f"CRYPTO_FEATURES_CATALOG={where!r}; expected module:name, such as my_desk:catalog.")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found = getattr(import_module(module), name)
    except CryptoFeaturesError:
        raise
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the catalog {where} cannot be loaded ({error}); expected a module that can be imported from "
            f"{Path.cwd()} or is installed, with a Catalog of that name."
        ) from error
    if not isinstance(found, Catalog):
        raise SettingsError(f"{where} is a {type(found).__name__}; expected a crypto_features.Catalog.")
    return found
