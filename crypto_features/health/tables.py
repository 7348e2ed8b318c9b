"""How far each stored table is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from crypto_features.durations import spoken
from crypto_features.errors import CryptoFeaturesError
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.progress import last_close, newest
from crypto_features.graph.table_age import judged_age
from crypto_features.health.state import State, TableState
from crypto_features.lake.models import model_months
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span
from crypto_features.tables.table import Table

RUN = "crypto-features run"


def table_states(settings: Settings, catalog: Catalog, now: datetime) -> Iterator[TableState]:
    """How each table of this project is; those of other projects are looked at there."""
    lake = LakeResource(root=str(settings.root), interval_minutes=int(settings.interval / timedelta(minutes=1)))
    head: datetime | None = None
    own = [table for table in catalog.tables.values() if table.project is None]
    for table in sorted(own, key=lambda table: table is not catalog.raw):
        # Candles are behind the clock, and every other table is behind the candles.
        until = now if table is catalog.raw else head
        found = _read(lake, settings, table, now, until=until, judged=table in catalog.timed)
        head = found.newest if table is catalog.raw else head
        yield found
    for training in catalog.training:
        yield _untimed(lake, training.name, now)


def _read(
    lake: LakeResource, settings: Settings, table: Table, now: datetime, *, until: datetime | None, judged: bool
) -> TableState:
    if isinstance(table, FittedModel):
        months = model_months(settings.root, table.name)
        return TableState(table.name, State.OK, newest=month_span(months[-1])[0]) if months else _missing(table.name)
    if not judged:
        return _untimed(lake, table.name, now)
    stored, length = lake.table(table.name), table.bar(settings.interval)
    try:
        if not stored.months():
            return _missing(table.name)
        found = judged_age(stored, table, settings, now)
    except (CryptoFeaturesError, pl.exceptions.PolarsError, OSError) as error:
        return TableState(table.name, State.DAMAGED, str(error))
    behind = None if until is None else max(last_close(until, length) - found.newest, timedelta(0))
    good = TableState(table.name, State.OK, newest=found.newest, age=found.age, allowed=found.allowed, behind=behind)
    if found.fresh:
        return good
    symbols = "" if found.age > found.allowed else found.late_sentences
    return replace(good, state=State.LATE, why=f"{spoken(found.allowed)} is allowed.{symbols}", todo=RUN)


def _untimed(lake: LakeResource, name: str, now: datetime) -> TableState:
    """How a table is whose lateness only its source, or its labels' horizon, knows."""
    try:
        last = newest(lake.table(name))
    except (CryptoFeaturesError, pl.exceptions.PolarsError, OSError) as error:
        return TableState(name, State.DAMAGED, str(error))
    return _missing(name) if last is None else TableState(name, State.OK, newest=last, age=now - last)


def _missing(name: str) -> TableState:
    return TableState(name, State.MISSING, "Nothing is stored.", RUN)
