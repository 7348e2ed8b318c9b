"""How the platform is: each table and view, the newest run of each, and what fails."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import dagster as dg

from crypto_features import clock
from crypto_features.automation.alerts import Problem
from crypto_features.automation.watch import failed_checks, failed_runs, failed_ticks
from crypto_features.errors import SettingsError
from crypto_features.graph.checks import every_check
from crypto_features.graph.leak_gate import CHECK
from crypto_features.health.runs import last_runs
from crypto_features.health.state import TableState
from crypto_features.health.tables import table_states
from crypto_features.health.views import view_states
from crypto_features.host.instance import dagster_environment, recorded
from crypto_features.settings import Settings
from crypto_features.sources import source
from crypto_features.tables.catalog import Catalog


@dataclass(frozen=True)
class Status:
    """How the platform is at one time.

    Args:
        now: That time, UTC.
        tables: The stored tables, candles first.
        views: The views of the online store.
        problems: Runs, schedules, sensors and checks that fail, as alerts report them.
    """

    now: datetime
    tables: tuple[TableState, ...]
    views: tuple[TableState, ...]
    problems: tuple[Problem, ...]

    @property
    def late(self) -> bool:
        """Whether a reader of any table or view lacks what it should have by now."""
        return any(one.late for one in (*self.tables, *self.views))


def status(settings: Settings, catalog: Catalog) -> Status:
    """Read how the platform is; nothing is written, and no source of candles is asked."""
    now = clock.now()
    tables = list(table_states(settings, catalog, now))
    views = list(view_states(settings, catalog, now, {table.name: table.newest for table in tables}))
    if not recorded(settings):
        return Status(now, tuple(tables), tuple(views), ())
    try:
        os.environ.update(dagster_environment(settings))
    except SettingsError as error:
        broken = Problem("dagster", "Dagster's home cannot be read", str(error), "crypto-features doctor")
        return Status(now, tuple(tables), tuple(views), (broken,))
    with dg.DagsterInstance.get() as instance:
        problems = tuple(_problems(instance, settings, catalog))
        runs = last_runs(instance, [one.name for one in (*tables, *views)])
    failed: dict[str, list[str]] = {}
    for _, asset, check in (problem.key.split(":") for problem in problems if problem.key.startswith("check:")):
        failed.setdefault(asset, []).append(check)

    def whole(one: TableState) -> TableState:
        return replace(one, run=runs.get(one.name), failed_checks=tuple(failed.get(one.name, ())))

    return Status(now, tuple(map(whole, tables)), tuple(map(whole, views)), problems)


def _problems(instance: dg.DagsterInstance, settings: Settings, catalog: Catalog) -> Iterator[Problem]:
    checks = every_check(settings, catalog, partial(source, settings))
    keys = [key for one in checks for key in one.check_keys]
    keys += [dg.AssetCheckKey(dg.AssetKey(name), CHECK) for name in catalog.groups]
    yield from failed_runs(instance, settings.ui_url)
    yield from failed_ticks(instance, settings.ui_url)
    yield from failed_checks(instance, keys, settings.ui_url)
