"""What is published now, and every version of the candles and models that it was computed from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from crypto_features.known.knowledge import TIME, model_in_force, with_known
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.raw_rows import RAW_KEY
from crypto_features.tables.read import Reader, Terms
from crypto_features.tables.table import Table

VERSION = (*RAW_KEY, "known_at")

Versions = Callable[[Sequence[str], Sequence[str] | None, Collection[str]], pl.DataFrame]
"""`versions(months, columns, symbols)`: every version of raw candles, sorted by `symbol`, `open_time` and `known_at`;
`None` means all columns."""


@dataclass(frozen=True)
class FittedVersion:
    """One version of a month's fitted model.

    Args:
        version: Digest of its parameters.
        published_at: When it was published, UTC.
        parameters: The artefact.
    """

    version: str
    published_at: datetime
    parameters: str


@dataclass(frozen=True)
class History:
    """Reads what is published, and the versions of what it was computed from.

    Args:
        read: Reads published tables.
        raws: By raw table, what reads its versions, and the least `known_at` of each symbol in it.
        models: By model and month, every version of it, the one that was published last at the end.
        catalog: The tables.
        interval: Length of a candle.
        wait: How long after its close a candle may come and still count as known at its close.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.
        until: What was first seen after it counts as known when it was seen, however old: a build of that time did not
            have it. By default what is backfilled counts as known at its close.
    """

    read: Reader
    raws: Mapping[str, tuple[Versions, Mapping[str, datetime]]]
    models: Mapping[str, Mapping[str, Sequence[FittedVersion]]]
    catalog: Catalog
    interval: timedelta
    wait: timedelta
    min_completeness: float = MIN_COMPLETENESS
    until: datetime | None = None

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols that any raw table has."""
        return frozenset[str]().union(*(seen for _, seen in self.raws.values()))

    def known(self, table: str, month: str, columns: Sequence[str] | None, symbols: Collection[str]) -> pl.DataFrame:
        """Every version of a month's raw rows with `known`, the time (UTC) from which it counts as known.

        Args:
            table: The raw table.
            month: The month.
            columns: What is read beside `symbol`, `open_time` and `known_at`; `None` means all columns.
            symbols: The symbols.
        """
        (versions, first_seen), length = self.raws[table], self.catalog[table].bar(self.interval)
        start, _ = month_span(month)
        earliest = start - self.wait - length
        before = versions(months_between(earliest, start), VERSION, symbols)
        rows = versions([month], None if columns is None else [*VERSION, *columns], symbols)
        both = pl.concat([before.filter(pl.col("open_time") >= earliest), rows], how="diagonal")
        both = both.sort(VERSION).select(rows.columns)
        later = pl.lit(value=False) if self.until is None else pl.col("known_at") > self.until
        known = with_known(both.filter(~later), length, self.wait, first_seen)
        if self.until is not None:
            seen = pl.max_horizontal(pl.col("open_time") + length, "known_at").cast(TIME)
            known = pl.concat([known, both.filter(later).with_columns(known=seen)]).sort(VERSION)
        return known.filter(pl.col("open_time") >= start)

    def models_then(self, at: datetime) -> dict[tuple[str, str], FittedVersion | None]:
        """By model and month, what was in force at a time of those that were replaced or first published since.

        `None` stands for a month that had no model then.
        """
        found: dict[tuple[str, str], FittedVersion | None] = {}
        for name, months in self.models.items():
            for month, fitted in months.items():
                there = [one for one in fitted if self.until is None or one.published_at <= self.until]
                then = model_in_force(month, [(one.version, one.published_at) for one in there], at)
                if then is not None and then != fitted[-1].version:
                    found[name, month] = next(one for one in fitted if one.version == then)
                elif not there and month_span(month)[0] <= at:
                    found[name, month] = None
        return found

    def published_late(self) -> list[tuple[datetime, datetime]]:
        """The start of the month of each model that was replaced or came after `until`, and when its successor came."""
        return [
            (month_span(month)[0], later.published_at)
            for model in self.models.values()
            for month, fitted in model.items()
            for i, later in enumerate(fitted)
            if i or (self.until is not None and later.published_at > self.until)
        ]

    def terms(self, at: datetime) -> Terms:
        """On which rows are computed at a time."""
        return Terms(self.interval, at, self.wait, self.min_completeness)


def reach(table: Table, interval: timedelta) -> timedelta:
    """How long before its month a candle may lie on which a row depends, through all that is read but fitted models.

    Args:
        table: The table.
        interval: Length of a base candle.
    """
    none = timedelta(0)
    return max(
        (
            i.reach(interval) + (none if isinstance(i.table, FittedModel) else reach(i.table, interval))
            for i in table.inputs
        ),
        default=none,
    )


def reads_model(table: Table) -> bool:
    """Whether a fitted model reaches the table's values."""
    return any(isinstance(i.table, FittedModel) or reads_model(i.table) for i in table.inputs)
