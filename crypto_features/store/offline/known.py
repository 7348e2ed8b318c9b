"""The point-in-time join of what was known: each entity row meets the rows of its own state of knowledge."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.known.history import History
from crypto_features.known.past import PUBLISHED, Past
from crypto_features.store.offline.join import FeatureTable, free, point_in_time_join, utc

_STATE = "__state"


@dataclass(frozen=True)
class Knowledge:
    """What a join may know.

    Args:
        history: What is published, and the versions of what it was computed from.
        as_of: The time of the knowledge; `None` for each entity row's own.
    """

    history: History
    as_of: datetime | None = None

    def reaches(self, times: pl.Series) -> Any:
        """For each time whether it is not later than that of the knowledge, as NumPy's booleans."""
        time = pl.col("time")
        past = time.is_not_null() if self.as_of is None else (utc(time) <= self.as_of).fill_null(value=False)
        return times.to_frame("time").select(past).to_series().to_numpy()


_knowledge: ContextVar[Knowledge | None] = ContextVar("knowledge", default=None)


@contextmanager
def known_by(knowledge: Knowledge | None) -> Iterator[None]:
    """Feast's historical retrievals that begin within join what was known; with `None` what is published now."""
    token = _knowledge.set(knowledge)
    try:
        yield
    finally:
        _knowledge.reset(token)


def knowledge() -> Knowledge | None:
    """What the retrieval that begins now may know; `None` if it joins what is published."""
    return _knowledge.get()


def join_as_known(
    entities: pl.DataFrame, time: str, tables: Sequence[tuple[str, FeatureTable]], knowledge: Knowledge
) -> pl.DataFrame:
    """`point_in_time_join` of features as they were known, not as they are published now.

    What was known otherwise is computed again. Of another project's view that cannot be done here: a row whose content
    was known later is left out.

    Args:
        entities: The entity rows, with the column `time`.
        time: Column with the time of each row.
        tables: The published rows of feature groups by symbol, each with the group's name.
        knowledge: What may be known.

    Raises:
        InputError: as `point_in_time_join`, or if a table is not one of a feature group by symbol.
    """

    def past(key: str) -> Past:
        rows = entities.select(symbol=pl.col(key).cast(pl.String), time=utc(pl.col(time)))
        wanted: dict[str, list[str]] = {}
        for group, table in own:
            if key in table.keys:
                wanted.setdefault(group, []).extend(table.features.values())
        return Past(knowledge.history, wanted, rows, knowledge.as_of)

    borrowed = knowledge.history.catalog.borrowed
    own = [(group, table) for group, table in tables if group not in borrowed]
    for group, table in own:
        if group not in knowledge.history.catalog.groups or [*table.keys.values()] != ["symbol"]:
            raise InputError(
                f"what was known of {group} cannot be told: it is not computed here from candles by symbol. Ask for it "
                "without as_of."
            )
    pasts = {key: past(key) for key in sorted({key for _, table in own for key in table.keys})}
    joined = entities
    for group, table in tables:
        if group in borrowed:
            found = _created_by(group, table, knowledge.as_of)
            joined = point_in_time_join(joined, time, [found], as_known_then=knowledge.as_of is None)
            continue
        (key,) = table.keys
        state = free(_STATE, (*joined.columns, *table.frame.columns, *table.features))
        rows = joined.with_columns(pasts[key].numbers.alias(state))
        found = _with_past(group, table, pasts[key], knowledge.as_of, state)
        joined = point_in_time_join(rows, time, [found]).drop(state)
    return joined


def unknown_then(then: pl.DataFrame, now: pl.DataFrame, features: Sequence[str]) -> int:
    """How many rows have no value by what was known, and have one by what is known now.

    Args:
        then: The entity rows joined as they were known.
        now: The same as they are published, in the same order.
        features: The columns that hold features.
    """
    if not features:
        return 0
    empty = pl.all_horizontal(pl.col(features).is_null())
    return int((then.select(empty).to_series() & ~now.select(empty).to_series()).sum())


def _created_by(group: str, table: FeatureTable, as_of: datetime | None) -> FeatureTable:
    """The rows of another project's view that had been created by a time; all of them without one."""
    if table.created_time is None:
        raise InputError(f"what was known of {group} cannot be told: its rows do not say when they were created.")
    if as_of is None:
        return table
    known = (utc(pl.col(name)) <= as_of for name in (table.event_time, table.created_time))
    return replace(table, frame=table.frame.filter(*known))


def _with_past(group: str, table: FeatureTable, past: Past, as_of: datetime | None, column: str) -> FeatureTable:
    """The table with its rows of each state beside the published ones, and the state of each in a further column."""
    event, stamps = pl.col(table.event_time), [table.created_time] if table.created_time else []
    names = dict.fromkeys([*table.keys.values(), table.event_time, *stamps, *table.features.values()])
    now = table.frame if as_of is None else table.frame.filter(utc(event) <= as_of)
    parts = [now.select(*names, pl.lit(PUBLISHED, pl.UInt32).alias(column))]
    for state in past.states:
        rows = past.rows(group, state).rename({"event_timestamp": table.event_time})
        rows = rows.with_columns(*map(event.alias, stamps), pl.lit(state.number, pl.UInt32).alias(column))
        parts.append(rows.select(parts[0].columns))
    return replace(table, frame=pl.concat(parts, how="vertical_relaxed"), keys={**table.keys, column: column})
