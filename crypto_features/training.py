"""The rows of a training set: what was known at the close of each day, from readers alone."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from crypto_features.features import GROUPS, FeatureService
from crypto_features.features.history import DAILY, MODEL, RAW, History, reach, reads_model
from crypto_features.features.months import month_span, months_between
from crypto_features.store.offline.join import FeatureTable
from crypto_features.store.offline.known import Knowledge, join_as_known

DAY = timedelta(days=1)
TIME = "event_timestamp"


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


def reads_of(service: FeatureService) -> Mapping[str, timedelta]:
    """The tables on which a month of a training set depends, and how long before the month each is read."""
    groups = [GROUPS[view] for view in service.features]
    found = {DAILY: timedelta(0), **{group.name: group.ttl for group in groups}}
    found[RAW] = max(group.ttl + reach(group) for group in groups)
    if any(reads_model(group) for group in groups):
        found[MODEL] = found[RAW]
    return found


def _table(view: str, names: tuple[str, ...], month: str, history: History) -> FeatureTable:
    start, end = month_span(month)
    months = months_between(start - GROUPS[view].ttl, end)
    frame = history.read(view, months, ["symbol", TIME, *names], None)
    return FeatureTable(frame, {"symbol": "symbol"}, TIME, None, {name: name for name in names}, GROUPS[view].ttl)
