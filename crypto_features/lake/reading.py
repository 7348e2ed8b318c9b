"""What one run reads of the tables that another table is computed from."""

import json
from collections.abc import Sequence
from datetime import timedelta

import polars as pl
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.candles import current
from crypto_features.lake.models import load_model, model_months
from crypto_features.lake.table import Table as Stored
from crypto_features.lake.table import stored
from crypto_features.tables.artefact import opened
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.lineage import ROW_COLUMNS
from crypto_features.tables.model import SCHEMA
from crypto_features.tables.table import Table
from crypto_features.versions.provenance import COLUMNS, input_digest

INTERVAL = "interval"
"""Metadata key of a partition of candles: how long each is."""
Part = tuple[pl.DataFrame, str]
"""The rows of a month, and the digest of what is read of them."""


class Reading:
    """Reads published months, each once while the window slides forward, and remembers the digests of what it read.

    Raises:
        InputError: if one of its inputs has never been published; by a reading, if the candles have another length.
    """

    def __init__(self, root: UPath, catalog: Catalog, table: Table, interval: timedelta) -> None:
        reads = table.reads(interval)
        self._root, self._catalog, self._interval = root, catalog, interval
        self._columns = {read.table: read.columns for read in reads}
        self._available = {read.table: self._published(read.table) for read in reads}
        self._held: dict[str, dict[str, Part]] = {name: {} for name in self._available}
        for name, months in self._available.items():
            if not months:
                raise InputError(
                    f"table {name!r} is empty, nothing can be computed from it; materialize the asset {name!r} first, "
                    f"or select it together with {table.name!r}."
                )

    def __call__(
        self, name: str, months: Sequence[str], _columns: Sequence[str] | None, _symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        """The rows of published months, of all symbols; of a table without any of them, no rows."""
        model = name in self._catalog.models
        if model and months and months[-1] not in self._available[name]:
            raise InputError(f"{name} has no parameters for {months[-1]}; materialize {name!r} for that month first.")
        self._require_version(name, months)
        wanted, held = [month for month in months if month in self._available[name]], self._held[name]
        self._held[name] = {month: held[month] if month in held else self._load(name, month) for month in wanted}
        if not wanted:
            return SCHEMA.to_frame() if model else self._stored(name).read(self._available[name][:1]).clear()
        return pl.concat(frame for frame, _ in self._held[name].values())

    def digests(self) -> dict[str, dict[str, str]]:
        """By table and month, the digest of what the last reading returned."""
        return {name: {month: digest for month, (_, digest) in held.items()} for name, held in self._held.items()}

    def _require_version(self, name: str, months: Sequence[str]) -> None:
        """Of another project's view, a month that is there in another version only is not taken for none."""
        borrowed = self._catalog.borrowed.get(name)
        if borrowed is None:
            return
        newer = Stored(self._root, name).months()
        for month in months:
            if month in newer and month not in self._available[name]:
                raise InputError(
                    f"{borrowed.project} computes {name} of {month} otherwise than the version read here. Apply "
                    f"this project again, or read a newer one: Borrowed({name!r}, version=...)."
                )

    def _published(self, name: str) -> Sequence[str]:
        return model_months(self._root, name) if name in self._catalog.models else self._stored(name).months()

    def _stored(self, name: str) -> Stored:
        return stored(self._root, self._catalog, name)

    def _load(self, name: str, month: str) -> Part:
        if name in self._catalog.models:
            text = load_model(self._root, name, month)
            version = opened(text).version
            return pl.DataFrame([(month, text, version)], SCHEMA, orient="row"), version
        table, columns = self._stored(name), self._columns[name]
        notes = table.metadata(month)
        note = notes.get(COLUMNS)
        if name == self._catalog.raw.name and notes.get(INTERVAL, str(self._interval)) != str(self._interval):
            raise InputError(
                f"the candles of {month} in {table.folder} are of {notes[INTERVAL]}, and CRYPTO_FEATURES_INTERVAL is "
                f"{self._interval}: set it as the project that fetches them does."
            )
        if note is None:
            frame, digest = table.read([month]), table.digest(month)
        else:
            digests: dict[str, str] = json.loads(note)
            digest = input_digest(digests, columns)
            wanted = columns and [column for column in columns if column in digests or column not in ROW_COLUMNS]
            frame = table.read([month], wanted)
        return (current(frame) if name in self._catalog.raws else frame), digest
