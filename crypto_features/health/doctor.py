"""What is wrong, part by part, each with what puts it right."""

from collections.abc import Callable, Iterator

from crypto_features.catalogs import current_catalog
from crypto_features.errors import CryptoFeaturesError
from crypto_features.health.dagster_home import dagster_home
from crypto_features.health.environment import environment
from crypto_features.health.finding import Finding, ok, wrong
from crypto_features.health.folder import data_folder
from crypto_features.health.market import market
from crypto_features.health.store import store
from crypto_features.health.times import times
from crypto_features.settings import Settings
from crypto_features.store.session import require_project


def examine(on_part: Callable[[str], None] = lambda _: None) -> Iterator[Finding]:
    """Each finding, environment first; nothing is written.

    Args:
        on_part: Called with the name of each part before it is examined.
    """
    try:
        settings = Settings.load()
    except CryptoFeaturesError as error:
        yield wrong("settings", str(error), "correct the variable; nothing else was examined")
        return
    on_part("environment")
    yield from environment(settings)
    on_part("data folder")
    yield from data_folder(settings)
    on_part("Dagster's home")
    yield from dagster_home(settings)
    try:
        catalog = current_catalog()
        require_project(catalog.project)
    except CryptoFeaturesError as error:
        yield wrong("catalog", str(error), "correct it; clock, store and source were not examined")
        return
    yield ok("catalog", f"{catalog.project}: {len(catalog.tables)} tables, {len(catalog.groups)} views")
    on_part("clock")
    yield from times(settings, catalog)
    on_part("store")
    yield from store(settings, catalog)
    on_part("source")
    yield from market(catalog)
