"""The rows of a training set: what was known at the close of each day, from readers alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl

from crypto_features.known.history import History, reach, reads_model
from crypto_features.shipped.registry import GROUPS, SERVICES
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known
from crypto_features.tables.declaration import FeatureService
from crypto_features.tables.graph import DAILY, MODEL, RAW, Node, Read, Reader, Versions
from crypto_features.tables.lineage import KEYS
from crypto_features.tables.months import month_span, months_between

DAY = timedelta(days=1)
TIME = "event_timestamp"


TRAINED = (SERVICES["ml_training_features"],)
"""The services of which training sets are kept."""


def training_node(
    service: FeatureService, past: Callable[[], History], versions: Versions, interval: timedelta
) -> Node:
    """A training set as the plan sees it.

    Args:
        service: Which features are joined.
        past: The history of the data folder, asked for when a month is computed.
        versions: The behaviour of each column, by table.
        interval: Length of a base candle.
    """
    columns = {view: (*KEYS, *names) for view, names in service.features.items()} | {DAILY: KEYS}
    reads = tuple(Read(table, back, columns.get(table)) for table, back in reads_of(service, interval).items())
    named = [(view, name) for view, names in service.features.items() for name in names]

    def rows(read: Reader, month: str, symbols: Sequence[str] | None) -> pl.DataFrame:
        def read_some(
            table: str, months: Sequence[str], columns: Sequence[str] | None, only: Sequence[str] | None
        ) -> pl.DataFrame:
            return read(table, months, columns, symbols if only is None else only)

        return training_rows(service, month, replace(past(), read=read_some))

    return Node(
        f"training/{service.name}",
        reads,
        rows,
        fingerprints={f"{view}:{name}": versions[view][name] for view, name in named},
        sources={f"{view}:{name}": ((view, name),) for view, name in named},
    )


def training_rows(service: FeatureService, month: str, history: History) -> pl.DataFrame:
    """One month of a service's training set: a row for each daily candle that opens in the month.

    Args:
        service: Which features are joined.
        month: The partition, such as `"2024-01"`.
        history: Reads what is published, and every version of the candles.

    Returns:
        `symbol`, `event_timestamp` (the close of the day, UTC) and the features as they were known then, sorted by
        both keys. A correction that became known later changes no row.
    """
    days = history.read(DAILY, [month], ["symbol", "open_time"], None)
    rows = days.sort("symbol", "open_time").select("symbol", (pl.col("open_time") + DAY).alias(TIME))
    tables = [(view, _table(view, names, month, history)) for view, names in service.features.items()]
    return join_as_known(rows, TIME, tables, Knowledge(history))


def reads_of(service: FeatureService, interval: timedelta) -> Mapping[str, timedelta]:
    """The tables on which a month of a training set depends, and how long before the month each is read.

    Args:
        service: Which features are joined.
        interval: Length of a base candle.
    """
    groups = [GROUPS[view] for view in service.features]
    found = {DAILY: timedelta(0), **{group.name: group.time_to_live(interval) for group in groups}}
    found[RAW] = max(group.time_to_live(interval) + reach(group) for group in groups)
    if any(reads_model(group) for group in groups):
        found[MODEL] = found[RAW]
    return found


def _table(view: str, names: tuple[str, ...], month: str, history: History) -> FeatureTable:
    start, end = month_span(month)
    ttl = GROUPS[view].time_to_live(history.interval)
    frame = history.read(view, months_between(start - ttl, end), ["symbol", TIME, *names], None)
    return FeatureTable(frame, {"symbol": "symbol"}, TIME, None, {name: name for name in names}, ttl)
