"""The point-in-time join of what was known: each entity row meets the rows of its own state of knowledge. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from crypto_features.features.history import History
from crypto_features.features.past import PUBLISHED, Past
from crypto_features.store.offline.join import FeatureTable, point_in_time_join, utc

_STATE = "__state"


def join_as_known(
    entities: pl.DataFrame, time: str, tables: Mapping[str, FeatureTable], history: History, as_of: datetime | None
) -> pl.DataFrame:
    """`point_in_time_join` of features as they were known at a time, not as they are published now.

    Args:
        entities: The entity rows, with the column `time`.
        time: Column with the time of each row.
        tables: By feature group, its published rows, keyed by symbol alone.
        history: What is published, and the versions of what it was computed from.
        as_of: The time of the knowledge; `None` for each row's own.

    Raises:
        InputError: as `point_in_time_join`.
    """

    def past(key: str) -> Past:
        rows = entities.select(symbol=pl.col(key).cast(pl.String), time=utc(pl.col(time)))
        wanted = {group: [*table.features.values()] for group, table in tables.items() if key in table.keys}
        return Past(history, wanted, rows, as_of)

    pasts = {key: past(key) for key in sorted({key for table in tables.values() for key in table.keys})}
    joined = entities
    for group, table in tables.items():
        known = pasts[next(iter(table.keys))]
        found = _with_past(group, table, known, as_of)
        rows = joined.with_columns(known.numbers.alias(_STATE))
        joined = point_in_time_join(rows, time, [found]).drop(_STATE)
    return joined


def _with_past(group: str, table: FeatureTable, past: Past, as_of: datetime | None) -> FeatureTable:
    """The table with its rows of each state beside the published ones."""
    event, stamps = pl.col(table.event_time), [table.created_time] if table.created_time else []
    names = dict.fromkeys([*table.keys.values(), table.event_time, *stamps, *table.features.values()])
    now = table.frame if as_of is None else table.frame.filter(utc(event) <= as_of)
    parts = [now.select(*names, pl.lit(PUBLISHED, pl.UInt32).alias(_STATE))]
    for state in past.states:
        rows = past.rows(group, state).rename({"event_timestamp": table.event_time})
        rows = rows.with_columns(*map(event.alias, stamps), pl.lit(state.number, pl.UInt32).alias(_STATE))
        parts.append(rows.select(parts[0].columns))
    return replace(table, frame=pl.concat(parts, how="vertical_relaxed"), keys={**table.keys, _STATE: _STATE})
