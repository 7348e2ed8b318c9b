"""Tables computed again from their raw rows, for some symbols: nothing that was computed before is read.

Fitted models are facts and are read as they were published; so are the views of other projects.
"""

from collections.abc import Callable, Sequence
from functools import cache

import polars as pl

from crypto_features.known.past import with_upstream
from crypto_features.lake.candles import current
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.partition import evaluate
from crypto_features.tables.raw import RawTable
from crypto_features.tables.read import Reader, Terms
from crypto_features.tables.table import Table

Versions = Callable[[str, str, tuple[str, ...] | None], pl.DataFrame]
"""`versions(table, month, symbols)`: every version of a month's raw rows, with `known_at`; `None` for all symbols."""


class Replay:
    """One table and all that it reads, computed again a month at a time.

    Args:
        catalog: The tables.
        table: The table, of a group with the features that are wanted of it only.
        versions: Reads raw rows.
        published: Reads fitted models, and the views of other projects.
        terms: On which rows are computed.
        admitted: Which versions of raw rows are seen; by default all.
    """

    def __init__(
        self,
        catalog: Catalog,
        table: Table,
        versions: Versions,
        published: Reader,
        terms: Terms,
        *,
        admitted: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows,
    ) -> None:
        wanted = {table.name: table.columns} if isinstance(table, FeatureGroup) else {}
        self.tables: dict[str, Table] = {**catalog.tables, **with_upstream(catalog, wanted), table.name: table}
        self._catalog, self._published, self._terms = catalog, published, terms
        self.interval = terms.interval
        self._raw = cache(lambda name, month, symbols: current(admitted(versions(name, month, symbols))))
        self._month, self._expressions = cache(self._computed), cache(self._evaluated)

    def rows(self, name: str, months: Sequence[str], symbols: Sequence[str] | None) -> pl.DataFrame:
        """The rows of successive months of a table; `None` for all symbols."""
        table = self.tables[name]
        if isinstance(table, FittedModel | Borrowed):
            return self._published(name, months, None, symbols)
        some = None if symbols is None or not table.by_symbol else (*symbols,)
        if isinstance(table, FeatureGroup) and table.function is None:
            rows = self._expressions(name, (months[0], months[-1]), some)
        else:
            read = self._raw if isinstance(table, RawTable) else self._month
            rows = pl.concat((read(name, month, some) for month in months), how="diagonal_relaxed")
        return rows if symbols is None else rows.filter(pl.col("symbol").is_in([*symbols]))

    def fitted(self, model: FittedModel, month: str) -> str:
        """The version that a model of a month has if it is fitted on these rows."""
        return str(model.compute(self._read, month, None, self._terms)["version"].item())

    def _computed(self, name: str, month: str, symbols: tuple[str, ...] | None) -> pl.DataFrame:
        return self.tables[name].compute(self._read, month, symbols, self._terms)

    def _evaluated(self, name: str, span: tuple[str, str], symbols: tuple[str, ...] | None) -> pl.DataFrame:
        """The rows of a span of months at once: a value depends on its window alone, wherever its input begins."""
        group, (first, last), inputs = self.tables[name], span, dict[str, pl.DataFrame]()
        if not isinstance(group, FeatureGroup):
            raise TypeError(name)
        for read in group.reads(self._terms.interval):
            months = months_between(month_span(read.months(first)[0])[0], month_span(read.months(last)[-1])[1])
            wanted = symbols if symbols is None else [*dict.fromkeys((*symbols, *read.shared))]
            inputs[read.table] = self.rows(read.table, months, wanted)
        rows = evaluate(group, inputs, interval=self._terms.interval, min_completeness=self._terms.min_completeness)
        time = pl.col("event_timestamp")
        return rows.filter((time > month_span(first)[0]) & (time <= month_span(last)[1]))

    def _read(
        self, name: str, months: Sequence[str], _columns: Sequence[str] | None, symbols: Sequence[str] | None
    ) -> pl.DataFrame:
        return self.rows(name, months, symbols)
