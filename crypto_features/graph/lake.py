"""The lake as a Dagster resource."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
import polars as pl
from upath import UPath

from crypto_features.catalogs import current_catalog
from crypto_features.lake.room import require_room
from crypto_features.lake.table import Table, stored
from crypto_features.settings import Settings
from crypto_features.tables.raw import RawTable


class LakeResource(dg.ConfigurableResource[None]):
    """The folder or bucket of monthly Parquet tables."""

    root: str
    """Absolute path or URL of the data folder."""
    interval_minutes: int
    """Length of a base candle."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Refuse a run, but no look of a sensor, that could fill the disk."""
        if context.run is not None:
            require_room(self.path, Settings.load().disk_reserve)

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.interval_minutes)

    @property
    def path(self) -> UPath:
        return UPath(self.root)

    @property
    def raw(self) -> Table:
        return self.table(current_catalog().raw.name)

    def quarantine_of(self, raw: RawTable) -> Table:
        return self.table(current_catalog().quarantine_of(raw))

    def table(self, name: str) -> Table:
        """The table of that name; it need not exist yet."""
        return stored(self.path, current_catalog(), name)


def read_any(table: Table, months: Sequence[str]) -> pl.DataFrame:
    """Rows of months that may have been written with other columns than each other; null where one lacks a column."""
    return pl.concat([table.read([month]) for month in months], how="diagonal_relaxed")
