"""A data folder as the plan reads it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import polars as pl
from upath import UPath

from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.errors import InputError
from crypto_features.lake.candles import current
from crypto_features.lake.models import renote_model, whole_models
from crypto_features.lake.table import Table, stored
from crypto_features.tables.artefact import opened
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.model import SCHEMA
from crypto_features.tables.raw import RawTable
from crypto_features.versions.plan import Published, Settled
from crypto_features.versions.provenance import PUBLISHED_AT

SHOWN_CANDLES = 3


class Folder:
    """A data folder as the plan reads it: notes first, rows only where a correction has to be followed."""

    def __init__(self, root: UPath, catalog: Catalog) -> None:
        self._root, self._catalog = root, catalog
        self._notes: dict[str, dict[str, dict[str, str]]] = {}

    def published(self) -> Published:
        """Notes and digests of every partition; one that is damaged at its ends counts as missing."""
        raws, models = self._catalog.raws, self._catalog.models
        computed = [table.name for table in self._catalog.computed if table.name not in models]
        foreign = [table.name for table in self._catalog.foreign if table.name not in raws]
        for name in (*computed, *foreign, *(one.name for one in self._catalog.training)):
            table, self._notes[name] = self._table(name), {}
            for month in table.months():
                with suppress(InputError):
                    self._notes[name][month] = table.metadata(month)
        stored = {name: self._table(name) for name in raws}
        digests = {name: {month: raw.digest(month) for month in raw.months()} for name, raw in stored.items()}
        for name in models:
            fitted = {month: opened(text) for month, text in whole_models(self._root, name).items()}
            self._notes[name] = {month: dict(one.notes) for month, one in fitted.items()}
            digests[name] = {month: one.version for month, one in fitted.items()}
        return Published(self._notes, digests)

    def corrected(self, asset: str, month: str) -> tuple[str, ...]:
        """The raw rows of a month that became known after the asset's month was published."""
        noted = self._notes[asset][month].get(PUBLISHED_AT)
        if noted is None:
            return ()
        declared = self._catalog.tables.get(asset)
        read = [self._catalog.raw] if declared is None else [i.table for i in declared.inputs]
        return tuple(
            text
            for raw in read
            if isinstance(raw, RawTable)
            for text in self._known_since(raw, month, datetime.fromisoformat(noted))
        )

    def _known_since(self, raw: RawTable, month: str, time: datetime) -> tuple[str, ...]:
        table, further = self._table(raw.name), "" if raw is self._catalog.raw else f"{raw.name} of "
        if month not in table.months():
            return ()
        rows = table.read([month], ["symbol", "open_time", "known_at"])
        rows = rows.with_columns(versions=pl.len().over("symbol", "open_time"))
        later = rows.filter(pl.col("known_at") > time)
        shown = [
            f"{further}{symbol} {opened:%Y-%m-%d %H:%M} {'corrected' if versions > 1 else 'new'}"
            for symbol, opened, versions in later.head(SHOWN_CANDLES)
            .select("symbol", "open_time", "versions")
            .iter_rows()
        ]
        more = later.height - len(shown)
        return (*shown, f"{more} more") if more > 0 else tuple(shown)

    def read(
        self, table: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        """Rows of published months, as the plan asks for them."""
        if table in self._catalog.models:
            models = whole_models(self._root, table)
            rows = [(m, models[m], opened(models[m]).version) for m in months if m in models]
            frame = pl.DataFrame(rows, SCHEMA, orient="row")
            return frame if columns is None else frame.select(name for name in columns if name in frame.columns)
        stored = self._table(table)
        published = stored.months()
        there = [month for month in months if month in published]
        chosen = there or list(published[:1])
        if not chosen:
            return pl.DataFrame()
        lazy = stored.scan(chosen)
        if symbols is not None:
            lazy = lazy.filter(pl.col("symbol").is_in(list(symbols)))
        if not there:
            lazy = lazy.head(0)
        if columns is not None:
            names = {*columns, "known_at"}
            lazy = lazy.select(name for name in lazy.collect_schema().names() if name in names)
        frame = stored.collect(lazy)
        return current(frame) if table in self._catalog.raws else frame

    def renote(self, item: Settled) -> None:
        if item.asset in self._catalog.models:
            renote_model(self._root, item.asset, item.partition, item.notes)
            return
        table = self._table(item.asset)

        def change(rows: pl.DataFrame | None) -> tuple[pl.DataFrame, dict[str, str]] | None:
            if rows is None:
                return None
            kept = {name: note for name, note in table.metadata(item.partition).items() if name != WAITS_UNTIL}
            return rows, kept | dict(item.notes)

        table.update(item.partition, change)

    def _table(self, name: str) -> Table:
        return stored(self._root, self._catalog, name)


def published(root: UPath, catalog: Catalog) -> Callable[[str, Sequence[str]], pl.DataFrame]:
    """Reads a data folder: `published(root, catalog)(table, months)` gives the rows of these months, all columns.

    Of raw candles they are the current ones, of a model one row per month. What is not published has no rows.
    """
    folder = Folder(root, catalog)
    return lambda table, months: folder.read(table, months, None, None)
