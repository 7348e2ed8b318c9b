"""What a guarded read finds: values that may be used, and for each entity why it gets none. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from crypto_features_reader.backend import StoredRow
from crypto_features_reader.budget import FIELD, PARTIAL
from crypto_features_reader.guard import Status
from crypto_features_reader.unpacking import unpack_columns

COMPLETENESS = "completeness"
"""The packed column with the share of the candles that a row's bar has."""
WITHHELD = (Status.INCOMPLETE, Status.NOT_FOUND, Status.EXPIRED, Status.DISABLED)
SERVED = (Status.PRESENT, Status.PARTIAL)
WORST = (*SERVED, Status.NULL_VALUE, *WITHHELD)


class Asked(NamedTuple):
    """What is asked of one view: features, under the names of the answer, of a row for each entity.

    Args:
        view: Name of the view, with alias and version as asked for.
        names: Feature names in the answer.
        features: Their names in the view.
        kinds: For each the field of a Feast value that it is in.
        keys: For each entity the bytes by which its row is stored.
        entities: For each entity its join key values.
        switches: The names by which the view is switched off.
        lowest: For each feature the packed column with the lowest completeness in its window, if there is one.
        least: The completeness that a row's bar needs.
    """

    view: str
    names: Sequence[str]
    features: Sequence[str]
    kinds: Sequence[str]
    keys: Sequence[bytes]
    entities: Sequence[tuple[object, ...]]
    switches: Sequence[str]
    lowest: Sequence[str | None]
    least: float


class ViewAnswer(NamedTuple):
    """The answer of one view, a row for each entity asked for.

    Args:
        view: Name of the view, with alias and version as asked for.
        names: Feature names in the response.
        kinds: For each feature the field of a Feast value that it is in.
        columns: For each feature its values; withheld and missing ones are `None`.
        statuses: For each entity what came of its row.
        events: For each entity the event time of its row in microseconds, also if it is withheld.
        completeness: For each feature and entity the lowest completeness of the bars in the value's window; `None`
            where the row is withheld for another reason, or carries none.
        heard: For each entity what `budget.packed` gave of its row, if that was published live.
    """

    view: str
    names: Sequence[str]
    kinds: Sequence[str]
    columns: Sequence[Sequence[Any]]
    statuses: Sequence[Status]
    events: Sequence[int | None]
    completeness: Sequence[Sequence[float | None]]
    heard: Sequence[bytes | None] = ()

    def statuses_of(self, column: Sequence[Any]) -> list[Status]:
        """The status of each value of a column."""
        if None not in column:
            return list(self.statuses)
        return [
            Status.NULL_VALUE if value is None and status in SERVED else status
            for value, status in zip(column, self.statuses, strict=True)
        ]


def answered(
    asked: Asked, stored: Mapping[bytes, StoredRow], switches: Mapping[str, str], limits: tuple[int, int]
) -> ViewAnswer:
    """The answer of one view; values of kind `value` are the bytes of their protobuf.

    `limits` are the first and the last event time, in microseconds, at which a stored row may be served.
    """
    rows = [stored.get(key) for key in asked.keys]
    off = any(name in switches for name in asked.switches)
    earliest, latest = limits
    statuses = [
        Status.DISABLED
        if switches and (off or any(str(value) in switches for value in entity))
        else Status.NOT_FOUND
        if row is None
        else Status.PRESENT
        if earliest <= row[1] <= latest
        else Status.EXPIRED
        for row, entity in zip(rows, asked.entities, strict=True)
    ]
    some = any(asked.lowest)
    shares = tuple(dict.fromkeys((COMPLETENESS, *filter(None, asked.lowest)))) if some else ()
    payloads = [
        row[3] if row and status is Status.PRESENT else None for row, status in zip(rows, statuses, strict=True)
    ]
    features = zip(asked.features, asked.kinds, strict=True)
    wanted = [*features, *((name, "double_val") for name in shares)]
    *columns, heard, partial = unpack_columns(payloads, [*wanted, (FIELD, "value"), (PARTIAL, "bool_val")])
    share = dict(zip(shares, columns[len(asked.features) :], strict=True))
    columns = columns[: len(asked.features)]
    statuses = [Status.PARTIAL if lacks else status for lacks, status in zip(partial, statuses, strict=True)]
    for row, own in enumerate(share.get(COMPLETENESS, ())):
        if own is not None and own < asked.least:
            statuses[row] = Status.INCOMPLETE
            for column in columns:
                column[row] = None
    events = [row[1] if row else None for row in rows]
    shown = [share[name] if name else [None] * len(rows) for name in asked.lowest]
    return ViewAnswer(asked.view, asked.names, asked.kinds, columns, statuses, events, shown, heard)
