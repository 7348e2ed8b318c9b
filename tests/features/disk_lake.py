"""A lake on disk whose tables are computed from the rows of several sources, as the assets do it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from upath import UPath

from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.ingest.ingest import ingest
from crypto_features.ingest.report import IngestReport
from crypto_features.lake.folder import Folder
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table, stored
from crypto_features.sources.source import Source
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.node import Node, node_of
from crypto_features.tables.read import Terms
from crypto_features.versions.forecast import make_plan
from crypto_features.versions.plan import Plan
from crypto_features.versions.provenance import PUBLISHED_AT, column_digests, partition_metadata
from tests.features.memory_lake import Key, behaviour, defined

HOUR = timedelta(hours=1)


class DiskLake:
    """Partitions in a folder, built from raw tables.

    Args:
        root: The data folder.
        catalog: The tables, without fitted models and training sets.
        months: The months that are built.
    """

    def __init__(self, root: Path, catalog: Catalog, months: Iterable[str]) -> None:
        self.root, self.catalog, self.months = UPath(root), catalog, tuple(months)

    def table(self, name: str) -> Table:
        return stored(self.root, self.catalog, name)

    def take(self, name: str, market: Source, now: datetime, *symbols: str) -> IngestReport:
        """Ingest the rows of a source into a raw table."""
        raw = self.catalog.raws[name]
        quarantine = self.table(self.catalog.quarantine_of(raw))
        names = symbols or market.symbols()
        return ingest(market, self.table(name), quarantine, self.months, names, kind=raw.rows, interval=HOUR, now=now)

    def graph(self, now: datetime) -> tuple[Node, ...]:
        terms = Terms(HOUR, now, HOUR, MIN_COMPLETENESS)
        return tuple(
            node_of(table, behaviour(self.catalog), defined(self.catalog), terms) for table in self.catalog.computed
        )

    def build(self, now: datetime, wanted: Iterable[Key] | None = None) -> None:
        """Compute and publish partitions, all by default, upstream first."""
        chosen = None if wanted is None else {*wanted}
        for node in self.graph(now):
            for month in self.months:
                if chosen is None or (node.name, month) in chosen:
                    self._publish(node, month, now)

    def plan(self, now: datetime) -> Plan:
        folder = Folder(self.root, self.catalog)
        return make_plan(self.graph(now), folder.published(), folder.read, now=now, corrected=folder.corrected)

    def digests(self) -> Mapping[Key, Mapping[str, str]]:
        """Content of every computed partition, to the bit."""
        names = [table.name for table in self.catalog.computed]
        return {
            (name, month): column_digests(self.table(name).read([month]))
            for name in names
            for month in self.table(name).months()
        }

    def _publish(self, node: Node, month: str, now: datetime) -> None:
        read = Reading(self.root, self.catalog, self.catalog[node.name], HOUR)
        rows: pl.DataFrame = node.compute(read, month, None)
        notes = partition_metadata(rows, node.fingerprints, read.digests(), node.definitions)
        due = node.due(read, month) if node.due else None
        notes |= {PUBLISHED_AT: now.isoformat()} | ({WAITS_UNTIL: due.isoformat()} if due else {})
        if rows.height or month in self.table(node.name).months():
            self.table(node.name).publish(month, rows, notes)
