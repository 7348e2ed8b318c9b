"""A value as it is stored: its row in the table, its row in the online store, and the versions of its view."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from crypto_features.errors import InputError, UnknownNameError, UnreadableTableError
from crypto_features.explanation.facts import Finding, Online, Run
from crypto_features.explanation.judge import unreadable
from crypto_features.explanation.subject import Subject
from crypto_features.lake.table import SYMBOLS
from crypto_features.store import registered, session
from crypto_features.store.errors import EmptyStoreError, NotAppliedError
from crypto_features.tables.months import month_of
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.provenance import PUBLISHED_AT

ROWS = 48
"""How many rows the chart of a value shows."""


@dataclass(frozen=True)
class Row:
    """The newest stored row of a symbol up to a time.

    Args:
        month: The month that it is stored in.
        history: `event_timestamp` and `value` of the last rows, up to it.
        notes: Of the month; nothing of one that cannot be read.
        damage: Why a month cannot be read.
        is_newest: Whether the table has no later row of the symbol.
    """

    month: str
    history: pl.DataFrame
    notes: Mapping[str, str]
    damage: Finding | None
    is_newest: bool

    @property
    def time(self) -> datetime | None:
        """Its time; `None` if it cannot be read."""
        last = self.history["event_timestamp"].last() if self.damage is None else None
        return last if isinstance(last, datetime) else None

    @property
    def run(self) -> Run | None:
        """What wrote it."""
        if "run_id" not in self.notes:
            return None
        at = self.notes.get(PUBLISHED_AT)
        return Run(self.notes["run_id"], datetime.fromisoformat(at) if at else None, self.notes["file"])


def stored_row(subject: Subject, at: datetime) -> Row:
    """The newest stored row of a symbol up to a time.

    Raises:
        UnknownNameError: if nothing of the table is stored, or nothing of the symbol.
        InputError: if the symbol's first row is later.
    """
    lake, table, symbol = subject.lake, subject.table, subject.symbol
    stored = lake.table(table.name)
    months = stored.months()
    if not months:
        stored.metadata("2000-01")  # says what to materialize.
    close = pl.col(table.time) + subject.late
    history, notes, month, is_newest = pl.DataFrame(), dict[str, str](), "", True
    for name in reversed(months):
        if name > month_of(at) or history.height >= ROWS:
            continue
        try:
            rows = lake.rows(table.name, [name], [symbol]).select(event_timestamp=close, value=subject.column)
            noted = stored.metadata(name)
        except UnreadableTableError as error:
            if not month:
                return Row(name, pl.DataFrame(), {}, unreadable(error), is_newest=True)
            continue
        is_newest &= bool(month) or not (rows["event_timestamp"] > at).any()
        rows = rows.filter(pl.col("event_timestamp") <= at)
        if rows.height and not month:
            month, notes = name, {**noted, "file": str(stored.path(name))}
        history = pl.concat([rows, history], how="vertical") if history.width else rows
    if not month:
        raise _no_row(subject, at)
    later = next((name for name in months if name > month), None)
    is_newest &= later is None or not lake.rows(table.name, [later], [symbol]).height
    return Row(month, history.tail(ROWS), notes, None, is_newest=is_newest)


def _no_row(subject: Subject, at: datetime) -> InputError | UnknownNameError:
    lake, table, symbol = subject.lake, subject.table, subject.symbol
    stored = lake.table(table.name)
    months = {month: json.loads(stored.metadata(month).get(SYMBOLS, "[]")) for month in stored.months()}
    symbols = {name for names in months.values() for name in names}
    if symbol not in symbols:
        return UnknownNameError("symbol", symbol, symbols, f"These have rows in {table.name}.")
    first = min(month for month, names in months.items() if symbol in names)
    time = lake.rows(table.name, [first], [symbol])[table.time].min()
    shown = f"{time + subject.late:%Y-%m-%d %H:%M}" if isinstance(time, datetime) else first
    return InputError(
        f"{table.name} has no row of {symbol} at {at:%Y-%m-%d %H:%M} UTC or before it: its first is of {shown}. Ask "
        "for a later time."
    )


def online_row(view: str, feature: str, symbol: str) -> Online | None:
    """A symbol's row in the online store; `None` of a view that is not registered."""
    try:
        store = session.applied_store()
        found = registered.view_named(store, view)
    except (NotAppliedError, UnknownNameError):
        return None
    from crypto_features.store.online.answer import summary
    from crypto_features.store.online.unpack_frame import online_frame

    rows = online_frame(store, found, {"symbol": symbol})
    try:
        response = store.get_online_features([f"{view}:{feature}"], {"symbol": [symbol]})
    except EmptyStoreError:
        return Online(None, None, "NOT_FOUND")
    (status,) = summary(response, {"symbol"})[1][feature]
    if rows.is_empty():
        return Online(None, None, status)
    value, time = rows.row(0, named=True)[feature], rows["event_timestamp"][0]
    return Online(value, time, status)


def earlier_version(view: str, feature: str, since: datetime) -> tuple[int, str, str, datetime] | None:
    """The version of a view that was registered at a time, if the feature is computed otherwise since.

    Returns:
        Its number, its fingerprint of the feature, the behaviour of the whole view, and when the next one came.
    """
    try:
        store = session.applied_store()
        now = registered.view_named(store, view)
    except (NotAppliedError, UnknownNameError):
        return None
    from crypto_features.store.tags import fingerprints

    # The registry holds the second that a version came in: one of the same second as `since` may have come after it.
    second = since.replace(microsecond=0)
    listed = store.registry.list_feature_view_versions(view, store.project)
    then = [one for one in listed if one["created_timestamp"] < second][-1:]
    after = [one["created_timestamp"] for one in listed if one["created_timestamp"] >= second]
    if not then or not after:
        return None
    number = then[0]["version_number"]
    held = fingerprints(store.registry.get_feature_view_by_version(view, store.project, number))
    if held.get(feature) == fingerprints(now).get(feature):
        return None
    return number, held.get(feature, ""), combined(held), after[0]
