"""Which catalog this process works on: that of a setting, of the project around it, or of an installed package."""

import sys
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from crypto_features.durations import common, timeframe
from crypto_features.errors import CryptoFeaturesError, SettingsError
from crypto_features.settings import Settings, project_root
from crypto_features.tables.catalog import Catalog

GROUP = "crypto_features.catalogs"
"""The group of entry points by which a package offers its catalog."""
SHIPPED = "shipped"
"""The entry point of the catalog that is used if no other package offers one."""


def current_catalog() -> Catalog:
    """The catalog of the setting `CRYPTO_FEATURES_CATALOG`, else of this project's `pyproject.toml`, else of a package.

    Raises:
        SettingsError: if it cannot be loaded, is not a catalog, several packages offer one, or a base candle does not
            divide its bars.
    """
    settings = Settings.load()
    where = settings.catalog or _declared(project_root() / "pyproject.toml") or _offered()
    found = _with_optional(where) if settings.derivatives_source else _load(where)
    require_base(found, settings.interval)
    return found


def require_base(catalog: Catalog, interval: timedelta) -> None:
    """Check that every bar of a catalog can be made of base candles.

    Raises:
        SettingsError: naming the first table whose bars a base candle does not divide.
    """
    for bars in catalog.bars.values():
        length = bars.bar(interval)
        if length % interval:
            raise SettingsError(
                f"{bars.name} declares bars of {timeframe(length)}, which candles of {timeframe(interval)} do not "
                f"divide; set CRYPTO_FEATURES_INTERVAL to such as {timeframe(common(length, interval))}, or declare "
                f"every= a multiple of {timeframe(interval)}."
            )


@cache
def _declared(pyproject: Path) -> str | None:
    """The entry point that a project on disk declares, installed or not; an installed one is as old as its install."""
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return None
    return _only(project.get("entry-points", {}).get(GROUP, {}))


def _offered() -> str:
    found = _only({entry.name: entry.value for entry in _entries()})
    if found is None:
        raise SettingsError(
            "no installed package offers a catalog, not even crypto-features: install it again, or set "
            "CRYPTO_FEATURES_CATALOG, such as crypto_features.shipped:catalog."
        )
    return found


def _only(offered: Mapping[str, str]) -> str | None:
    own = sorted(offered.keys() - {SHIPPED})
    if len(own) > 1:
        raise SettingsError(
            f"several catalogs are offered ({', '.join(own)}); set CRYPTO_FEATURES_CATALOG to the one of this project, "
            f"such as {offered[own[0]]}."
        )
    return offered[own[0]] if own else offered.get(SHIPPED)


@cache
def _entries() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


@cache
def _with_optional(where: str) -> Catalog:
    return _load(where).with_optional()


@cache
def _load(where: str) -> Catalog:
    module, _, name = where.partition(":")
    if not name or not all(part.isidentifier() for part in module.split(".")):
        raise SettingsError(f"CRYPTO_FEATURES_CATALOG={where!r}; expected module:name, such as my_desk:catalog.")
    root = str(project_root())
    if root not in sys.path:  # a project need not be installed.
        sys.path.append(root)
    try:
        found = getattr(import_module(module), name)
    except CryptoFeaturesError:
        raise
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"the catalog {where} cannot be loaded ({error}); expected a module that can be imported from "
            f"{root} or is installed, with a Catalog of that name."
        ) from error
    if not isinstance(found, Catalog):
        raise SettingsError(f"{where} is a {type(found).__name__}; expected a crypto_features.Catalog.")
    return found
