"""What one explanation reads of a data folder, each part once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache

import polars as pl

from crypto_features import clock
from crypto_features.explanation.replay import Replay, Versions
from crypto_features.known.history import FittedVersion
from crypto_features.lake.folder import Folder
from crypto_features.lake.history import models_of
from crypto_features.lake.table import Table as Stored
from crypto_features.lake.table import stored
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.model import SCHEMA
from crypto_features.tables.read import Reader, Terms
from crypto_features.tables.table import Table


class Lake:
    """A data folder and its catalog."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.catalog, self.interval, self.settings = catalog, settings.interval, settings
        self.root, self._folder = settings.root, Folder(settings.root, catalog)
        self.versions: Versions = cache(self._versions)
        self.fitted: Callable[[str], Mapping[str, Sequence[FittedVersion]]] = cache(
            lambda name: models_of(settings.root, name)
        )

    def table(self, name: str) -> Stored:
        """A stored table."""
        return stored(self.settings.root, self.catalog, name)

    def rows(self, name: str, months: Sequence[str], symbols: Sequence[str] | None) -> pl.DataFrame:
        """The stored rows of those of some months that are published."""
        table = self.table(name)
        there = [month for month in months if month in table.months()]
        if not there:
            return pl.DataFrame()
        rows = table.scan(there)
        return table.collect(rows if symbols is None else rows.filter(pl.col("symbol").is_in([*symbols])))

    def replay(
        self,
        table: Table,
        *,
        now: datetime | None = None,
        models_at: datetime | None = None,
        versions: Versions | None = None,
        admitted: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows,
    ) -> Replay:
        """A table computed again.

        Args:
            table: The table.
            now: The time that counts as now; by default the clock's.
            models_at: By the fitted models of which time; by default of now.
            versions: Reads raw rows; by default as they are stored.
            admitted: Which versions of raw rows are seen.
        """
        terms = Terms(self.interval, now or clock.now(), self.settings.late_wait, self.settings.min_completeness)
        return Replay(
            self.catalog, table, versions or self.versions, self._published(models_at), terms, admitted=admitted
        )

    def as_loaded(self, first: datetime) -> Versions:
        """Reads raw rows as if those that had closed at a time had been known when they closed.

        A history that was loaded in bulk at that time was not unknown before.
        """

        def versions(name: str, month: str, symbols: tuple[str, ...] | None) -> pl.DataFrame:
            close = pl.col("open_time") + self.catalog[name].bar(self.interval)
            original = pl.col("known_at") == pl.col("known_at").min().over("symbol", "open_time")
            known = pl.when(original & (close <= first)).then(close).otherwise("known_at")
            return self.versions(name, month, symbols).with_columns(known_at=known)

        return versions

    def model(self, name: str, month: str, at: datetime | None = None) -> FittedVersion | None:
        """The model of a month that was in force at a time: the first one also before it was published."""
        fitted = self.fitted(name).get(month, ())
        then = [one for one in fitted if at is None or one.published_at <= at]
        return then[-1] if then else next(iter(fitted), None)

    def _published(self, at: datetime | None) -> Reader:
        def read(
            name: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
        ) -> pl.DataFrame:
            if name not in self.catalog.models:
                return self._folder.read(name, months, columns, symbols)
            found = [(month, self.model(name, month, at)) for month in months]
            rows = [(month, one.parameters, one.version) for month, one in found if one is not None]
            return pl.DataFrame(rows, SCHEMA, orient="row")

        return read

    def _versions(self, name: str, month: str, symbols: tuple[str, ...] | None) -> pl.DataFrame:
        rows = self.rows(name, [month], symbols)
        if rows.width:
            return rows
        kept = self.catalog.raws[name].rows.full_schema
        return pl.DataFrame(schema={**kept, "known_at": pl.Datetime("us", "UTC")})
