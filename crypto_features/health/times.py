"""The clock, and rows that are stamped later than it says."""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from crypto_features import clock
from crypto_features.errors import CryptoFeaturesError
from crypto_features.health.finding import Finding, ok, warn, wrong
from crypto_features.lake.stamps import SKEW, latest_stamp
from crypto_features.lake.table import Table, stored
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.versions.provenance import STAMPS

LOOKED_AT = 2
"""Newest months of each table that are looked at; `crypto-features scrub` looks at all."""


def times(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Whether the clock is one, and no table was written by one that was ahead of it."""
    now = clock.now()
    if clock.is_stopped():
        text = f"stands still at {now:%Y-%m-%d %H:%M} UTC, since {clock.VARIABLE} is set."
        yield warn("clock", text, f"unset {clock.VARIABLE}, unless a past market is replayed")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC; the time zone of the machine does not matter")
    own = [
        table.name for table in catalog.tables.values() if table.project is None and table.name not in catalog.models
    ]
    for name in own:
        latest = _latest(stored(settings.root, catalog, name))
        if latest is not None and latest > now + SKEW:
            text = f"{name} has rows that count as known from {latest:%Y-%m-%d %H:%M} UTC on, later than the clock."
            todo = f"unset {clock.VARIABLE}" if clock.is_stopped() else "set the clock if it is slow"
            yield wrong("clock", text, f"{todo}; if the clock is right: crypto-features withdraw")


def _latest(table: Table) -> datetime | None:
    """The latest stamp in the newest months; `None` of a table that holds none or cannot be read."""
    try:
        months = table.months()[-LOOKED_AT:]
        rows = table.scan(months) if months else pl.LazyFrame()
        names = [name for name in STAMPS if name in rows.collect_schema().names()]
        return latest_stamp(table.collect(rows.select(pl.col(names).max()))) if names else None
    except (CryptoFeaturesError, pl.exceptions.PolarsError, OSError):
        return None  # `status` and `scrub` name what is damaged.
