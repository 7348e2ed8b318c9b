"""A table as the plan sees it: what it reads, how one month of it is computed, and by which code."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from crypto_features.tables.read import Read, Reader, Terms
from crypto_features.tables.table import Sources, Table

Versions = Mapping[str, Mapping[str, str]]
"""By table, something of each column."""
Compute = Callable[[Reader, str, Sequence[str] | None], pl.DataFrame]
"""`compute(read, month, symbols)`: the rows of a month, of some symbols or of all."""


@dataclass(frozen=True)
class Node:
    """A table of the graph, as the plan sees it.

    Args:
        name: Name of the asset.
        inputs: What it reads; the first gives its bars.
        compute: Computes one month.
        fingerprints: The behaviour of each column.
        definitions: The definition of each column, where it has one of its own.
        sources: By column, the `(table, column)` pairs that it is computed from.
        fact: Whether a partition stays as it was published when its inputs change, as a fitted model does.
        by_symbol: Whether the rows of a symbol can be computed without those of others.
        due: When the same inputs will give a month other rows, because bars are over by then that are waited for now.
        early: How long before a month a bar may open that gives it a row.
    """

    name: str
    inputs: tuple[Read, ...]
    compute: Compute
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)
    fact: bool = False
    by_symbol: bool = True
    due: Callable[[Reader, str], datetime | None] | None = None
    early: timedelta = timedelta(0)

    def reached(self, read: Read, columns: Collection[str] | None) -> set[str]:
        """Its columns that are computed from these columns of an input."""
        return {
            name
            for name, sources in self.sources.items()
            if any(table == read.table and (columns is None or column in columns) for table, column in sources)
        }


def node_of(table: Table, versions: Versions, definitions: Versions, terms: Terms) -> Node:
    """A declared table as the plan sees it.

    Args:
        table: The table.
        versions: The behaviour of each column of the present code, by table, as `table_fingerprints` gives them.
        definitions: The definition of each column, by table.
        terms: On which its rows are computed.
    """
    waits = type(table).due is not Table.due
    return Node(
        table.name,
        table.reads(terms.interval),
        partial(table.compute, terms=terms),
        versions[table.name],
        definitions.get(table.name, {}),
        table.sources,
        fact=table.fact,
        by_symbol=table.by_symbol,
        due=partial(table.due, terms=terms) if waits else None,
        early=table.inputs[0].table.early(terms.interval),
    )
