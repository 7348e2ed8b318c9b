"""Dagster's home: whole, and writable."""

import os
from collections.abc import Iterator

from crypto_features.health.finding import Finding, ok, wrong
from crypto_features.host.instance import damaged, home, recorded
from crypto_features.settings import Settings

ABOUT = "Dagster's home"


def dagster_home(settings: Settings) -> Iterator[Finding]:
    """What is wrong with the databases of runs, events and schedules; none is made."""
    place = home(settings)
    if not recorded(settings):
        yield ok(ABOUT, f"{place} is not there yet: nothing ran")
        return
    found = list(damaged(place, thorough=True))
    yield from (wrong(ABOUT, text) for text in found)
    if not os.access(place, os.W_OK | os.X_OK):
        yield wrong(ABOUT, f"{place} may not be written.", f"sudo chown -R $(id -un) {place}, or set DAGSTER_HOME")
    elif not found:
        yield ok(ABOUT, f"{place}: its databases and dagster.yaml are whole")
