"""What is asked of one view, and the answer that its stored rows allow; Feast counts what was served."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import FeastType

from crypto_features.store import feast_private
from crypto_features.store.online.answer import ViewAnswer
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.budget import FIELD, PARTIAL
from crypto_features.store.online.guard import Status
from crypto_features.store.online.packing import kind_of, unpack_columns
from crypto_features.store.tags import least, lowest_columns
from crypto_features.tables.completeness import COMPLETENESS


class Question(NamedTuple):
    """What is asked of one view: features, under the names of the response, of a row for each entity."""

    view: FeatureView
    requested: Sequence[str]
    names: Sequence[str]
    keys: Sequence[bytes]
    entities: Sequence[tuple[object, ...]]


def answered(
    question: Question, stored: Mapping[bytes, StoredRow], switches: Mapping[str, str], limits: tuple[int, int]
) -> ViewAnswer:
    """The answer of one view: values that may be used, and for each entity why it gets none.

    `limits` are the first and the last event time, in microseconds, at which a stored row may be served.
    """
    view, requested, names, keys, entities = question
    types = {field.name: field.dtype for field in view.features}
    kinds = [kind_of_type(types[name]) if name in types else "value" for name in requested]
    rows = [stored.get(key) for key in keys]
    sources = getattr(view, "source_feature_view_projections", {}).values()  # of a stored on-demand view.
    off = any(name in switches for name in (view.name, *(source.name for source in sources)))
    earliest, latest = limits
    statuses = [
        Status.DISABLED
        if switches and (off or any(str(value) in switches for value in entity))
        else Status.NOT_FOUND
        if row is None
        else Status.PRESENT
        if earliest <= row[1] <= latest
        else Status.EXPIRED
        for row, entity in zip(rows, entities, strict=True)
    ]
    worst = [*map(lowest_columns(view).get, requested)]
    shares = tuple(dict.fromkeys((COMPLETENESS, *filter(None, worst)))) if any(worst) else ()
    payloads = [
        row[3] if row and status is Status.PRESENT else None for row, status in zip(rows, statuses, strict=True)
    ]
    wanted = [*zip(requested, kinds, strict=True), *((name, "double_val") for name in shares)]
    *columns, heard, partial = unpack_columns(payloads, [*wanted, (FIELD, "value"), (PARTIAL, "bool_val")])
    share = dict(zip(shares, columns[len(requested) :], strict=True))
    columns = columns[: len(requested)]
    statuses = [Status.PARTIAL if lacks else status for lacks, status in zip(partial, statuses, strict=True)]
    for row, own in enumerate(share.get(COMPLETENESS, ())):
        if own is not None and own < least(view):
            statuses[row] = Status.INCOMPLETE
            for column in columns:
                column[row] = None
    for place, kind in enumerate(kinds):
        if kind == "value":
            columns[place] = [Value.FromString(v) if isinstance(v, bytes) else v for v in columns[place]]
    _count(view.name, columns)
    events = [row[1] if row else None for row in rows]
    shown = [share[name] if name else [None] * len(rows) for name in worst]
    return ViewAnswer(view.projection.name_to_use(), names, kinds, columns, statuses, events, shown, heard)


@lru_cache(maxsize=256)
def kind_of_type(dtype: FeastType) -> str:
    """The field of a Feast value that values of a Feast type are in."""
    return kind_of(dtype.to_value_type().name)


def _count(view: str, columns: Sequence[Sequence[Any]]) -> None:
    if feast_private.counts_online_features():
        from feast import metrics

        present = sum(value is not None for column in columns for value in column)
        metrics.track_feature_statuses(view, present, sum(map(len, columns)) - present)
