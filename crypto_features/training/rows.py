"""The rows of a training set: what was known at the close of each bar, from readers alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl

from crypto_features.errors import InputError
from crypto_features.known.created import CREATED
from crypto_features.known.history import History, reach
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known
from crypto_features.tables.catalog import Catalog, upstream
from crypto_features.tables.lineage import ROW_COLUMNS
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.node import Node, Versions
from crypto_features.tables.read import Read, Reader
from crypto_features.tables.training import TrainingSet
from crypto_features.versions.behind import definitions_behind

TIME = "event_timestamp"


def training_node(
    training: TrainingSet,
    catalog: Catalog,
    past: Callable[[], History],
    *,
    versions: Versions,
    definitions: Versions,
    interval: timedelta,
) -> Node:
    """A training set as the plan sees it.

    Args:
        training: The training set.
        catalog: The tables.
        past: The history of the data folder, asked for when a month is computed.
        versions: The behaviour of each column, by table.
        definitions: The definition of each column, by table.
        interval: Length of a base candle.
    """
    service = training.service
    columns = {view: (*ROW_COLUMNS, *names) for view, names in service.features.items()} | {
        training.bars.name: ROW_COLUMNS
    }
    back = reads_of(training, catalog, interval)
    reads = tuple(Read(table, lookback, columns.get(table)) for table, lookback in back.items())
    own = {view: names for view, names in service.features.items() if view in catalog.groups}
    named = [(view, name) for view, names in own.items() for name in names]

    def rows(read: Reader, month: str, symbols: Sequence[str] | None) -> pl.DataFrame:
        def read_some(
            table: str, months: Sequence[str], columns: Sequence[str] | None, only: Sequence[str] | None
        ) -> pl.DataFrame:
            return read(table, months, columns, symbols if only is None else only)

        return training_rows(training, month, replace(past(), read=read_some))

    return Node(
        training.name,
        reads,
        rows,
        fingerprints={f"{view}:{name}": versions[view][name] for view, name in named},
        definitions=definitions_joined(training, catalog, definitions),
        sources={f"{view}:{name}": ((view, name),) for view, name in named},
        early=training.bars.early(interval),
    )


def definitions_joined(training: TrainingSet, catalog: Catalog, definitions: Versions) -> Mapping[str, str]:
    """By joined feature, as `<view>:<feature>`, one digest of its definition and of all that it is computed from.

    What was known at a time is computed again from the candles of then, through all of them, but never refitted.

    Args:
        training: The training set.
        catalog: The tables.
        definitions: The definition of each column, by table.
    """
    return definitions_behind(training.service.features, catalog, definitions)


def training_rows(training: TrainingSet, month: str, history: History) -> pl.DataFrame:
    """One month of a training set: a row for each of its bars that closes in the month, or with its end.

    Args:
        training: The training set.
        month: The partition, such as `"2024-01"`.
        history: Reads what is published, and every version of the candles.

    Returns:
        `symbol`, `event_timestamp` (the close of the bar, UTC) and the features as they were known then, sorted by
        both keys. A correction that became known later changes no row.

    Raises:
        InputError: if nothing at all is published of a table that is joined.
    """
    bars, (start, end) = training.bars, month_span(month)
    months = months_between(start - bars.early(history.interval), end)
    opened = _published(history, bars.name, months, ["symbol", "open_time"])
    close = (pl.col("open_time") + bars.bar(history.interval)).alias(TIME)
    rows = opened.sort("symbol", "open_time").select("symbol", close)
    rows = rows.filter(pl.col(TIME) > start, pl.col(TIME) <= end)
    return join_as_known(rows, TIME, feature_tables(training, month, history), Knowledge(history))


def feature_tables(training: TrainingSet, month: str, history: History) -> list[tuple[str, FeatureTable]]:
    """What the rows of a month may be joined with, by view, as it is published.

    Raises:
        InputError: if nothing at all is published of a view.
    """
    return [(view, _table(view, names, month, history)) for view, names in training.service.features.items()]


def reads_of(training: TrainingSet, catalog: Catalog, interval: timedelta) -> Mapping[str, timedelta]:
    """The tables on which a month of a training set depends, and how long before the month each is read.

    Args:
        training: The training set.
        catalog: The tables.
        interval: Length of a base candle.
    """
    groups = [catalog.views[view] for view in training.service.features]
    found = {
        training.bars.name: training.bars.early(interval),
        **{group.name: group.time_to_live(interval) for group in groups},
    }
    longest = max(group.time_to_live(interval) + reach(group, interval) for group in groups)
    models = {table.name for group in groups for table in upstream(group) if isinstance(table, FittedModel)}
    return found | {catalog.raw.name: longest} | dict.fromkeys(sorted(models), longest)


def _table(view: str, names: tuple[str, ...], month: str, history: History) -> FeatureTable:
    start, end = month_span(month)
    ttl = history.catalog.views[view].time_to_live(history.interval)
    created = CREATED if view in history.catalog.borrowed else None
    columns = ["symbol", TIME, *names, *([created] if created else [])]
    frame = _published(history, view, months_between(start - ttl, end), columns)
    return FeatureTable(frame, {"symbol": "symbol"}, TIME, created, {name: name for name in names}, ttl)


def _published(history: History, table: str, months: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    frame = history.read(table, months, columns, None)
    if not frame.width:
        raise InputError(f"nothing of {table} is published to join; materialize {table!r} for {months[-1]} first.")
    return frame
