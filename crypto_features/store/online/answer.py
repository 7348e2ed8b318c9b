"""What a guarded read returns: Python values with status and time; Feast's protobuf is built only on demand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp

from crypto_features.store.online.budget import Budget, budget
from crypto_features.store.online.guard import Status, time_of

_PROTO_STATUS = {
    Status.PRESENT: FieldStatus.PRESENT,
    # Feast's protocol has no word for it; its value is there.
    Status.PARTIAL: FieldStatus.PRESENT,
    Status.NULL_VALUE: FieldStatus.NULL_VALUE,
    # Feast's protocol has no word for it either; like a window that is not full, it is a fresh row without a value.
    Status.INCOMPLETE: FieldStatus.NULL_VALUE,
    Status.NOT_FOUND: FieldStatus.NOT_FOUND,
    Status.EXPIRED: FieldStatus.OUTSIDE_MAX_AGE,
    # Feast's protocol has no word for it, and uses INVALID for nothing else.
    Status.DISABLED: FieldStatus.INVALID,
}


_UNTOLD = (Status.PARTIAL, Status.INCOMPLETE)
"""What Feast's protocol has no word for, and says by another status."""
WITHHELD = (Status.INCOMPLETE, Status.NOT_FOUND, Status.EXPIRED, Status.DISABLED)
SERVED = (Status.PRESENT, Status.PARTIAL)
WORST = (*SERVED, Status.NULL_VALUE, *WITHHELD)


@dataclass(frozen=True)
class ViewAnswer:
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


class FeastResponse(OnlineResponse):
    """Feast's response to a request that is more than plain reading: on-demand views, versions, no entity.

    It has the answer of each view that was read, also for an on-demand view only, those of on-demand views that were
    computed, and its features in the order asked.
    """

    def __init__(
        self,
        proto: GetOnlineFeaturesResponse,
        types: Mapping[str, ValueType],
        answers: Sequence[ViewAnswer],
        order: Sequence[str],
        computed: Sequence[ViewAnswer] = (),
    ) -> None:
        _put_in_order(proto, order)
        super().__init__(proto, types)
        self.answers, self.computed = answers, computed


class GuardedResponse(OnlineResponse):
    """Feast's `OnlineResponse`, ten times cheaper as long as nobody asks for the protobuf.

    `order` names the features in the order of the response, if it is not that of the answers.
    """

    def __init__(
        self, entities: Mapping[str, Sequence[Any]], answers: Sequence[ViewAnswer], order: Sequence[str] = ()
    ) -> None:
        self.entities, self.answers, self.order = entities, answers, order
        self._proto: GetOnlineFeaturesResponse | None = None

    @property
    def proto(self) -> GetOnlineFeaturesResponse:
        """The answer in Feast's protocol."""
        if self._proto is None:
            self._proto = self._build()
        return self._proto

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, list[Any]]:
        """Values by column, entities first; with `<feature>__ts` in seconds if asked for."""
        result = {name: list(values) for name, values in self.entities.items()}
        if include_event_timestamps:
            rows = len(next(iter(result.values()), []))
            result |= {f"{name}__ts": [0] * rows for name in self.entities}
        for answer in self.answers:
            for name, kind, column in zip(answer.names, answer.kinds, answer.columns, strict=True):
                result[name] = [to_python(v) for v in column] if kind == "value" else list(column)
                if include_event_timestamps:
                    result[f"{name}__ts"] = [(event or 0) // 1_000_000 for event in answer.events]
        for name in self.order:  # each goes to the end in turn.
            for column in (name, f"{name}__ts") if include_event_timestamps else (name,):
                result[column] = result.pop(column)
        return result

    def _build(self) -> GetOnlineFeaturesResponse:
        response = GetOnlineFeaturesResponse()
        for name, values in self.entities.items():
            response.metadata.feature_names.val.append(name)
            vector = response.results.add()
            vector.values.extend(entity_value(v) for v in values)
            vector.statuses.extend([FieldStatus.PRESENT] * len(values))
            vector.event_timestamps.extend(Timestamp() for _ in values)
        for answer in self.answers:
            add(response, answer)
        if self.order:
            _put_in_order(response, self.order)
        return response


def add(response: GetOnlineFeaturesResponse, answer: ViewAnswer) -> None:
    """Append one view's answer to a response in Feast's protocol."""
    times = [_timestamp(event) for event in answer.events]
    for name, kind, column in zip(answer.names, answer.kinds, answer.columns, strict=True):
        response.metadata.feature_names.val.append(name)
        vector = response.results.add()
        vector.values.extend(to_proto(kind, value) for value in column)
        vector.statuses.extend(_PROTO_STATUS[status] for status in answer.statuses_of(column))
        vector.event_timestamps.extend(times)


def _put_in_order(response: GetOnlineFeaturesResponse, order: Sequence[str]) -> None:
    """Move the features of a response behind its entities, in that order."""
    names = list(response.metadata.feature_names.val)
    places = {name: place for place, name in enumerate(order)}
    sequence = sorted(range(len(names)), key=lambda column: places.get(names[column], -1))
    if sequence == list(range(len(names))):
        return
    results = list(response.results)
    moved = GetOnlineFeaturesResponse()
    moved.results.extend(results[column] for column in sequence)
    del response.results[:]
    response.results.extend(moved.results)
    response.metadata.feature_names.val[:] = [names[column] for column in sequence]


def summary(
    response: GuardedResponse | FeastResponse, entities: Collection[str]
) -> tuple[dict[str, list[Any]], dict[str, list[str]], dict[str, list[datetime | None]]]:
    """Values and statuses by column, and event times by view, of a response of the guarded store."""
    times = {
        answer.view: [None if event is None else time_of(event) for event in answer.events]
        for answer in response.answers
    }
    computed = response.computed if isinstance(response, FeastResponse) else ()
    statuses = {
        name: [status.value for status in answer.statuses_of(column)]
        for answer in (*response.answers, *computed)
        for name, column in zip(answer.names, answer.columns, strict=True)
    }
    if isinstance(response, GuardedResponse):
        statuses = {name: statuses[name] for name in response.order or statuses}
    else:
        words = {number: status.value for status, number in _PROTO_STATUS.items() if status not in _UNTOLD}
        named = zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True)
        shown = {name: [words[status] for status in vector.statuses] for name, vector in named if name not in entities}
        statuses = {name: statuses.get(name, words) for name, words in shown.items()}
    return response.to_dict(), statuses, times


def lowest_completeness(response: GuardedResponse | FeastResponse) -> dict[str, list[float | None]]:
    """For each feature of a view the lowest completeness of the bars in the window of each value."""
    return {
        name: list(shares)
        for answer in response.answers
        for name, shares in zip(answer.names, answer.completeness, strict=True)
    }


def partial_rows(response: GuardedResponse | FeastResponse) -> dict[str, list[int]]:
    """The features with a value that lacks symbols which it compares, each with the places of these rows."""
    computed = response.computed if isinstance(response, FeastResponse) else ()
    return {
        name: [row for row, status in enumerate(answer.statuses_of(column)) if status is Status.PARTIAL]
        for answer in (*response.answers, *computed)
        if Status.PARTIAL in answer.statuses
        for name, column in zip(answer.names, answer.columns, strict=True)
    }


def budgets(response: GuardedResponse | FeastResponse, now: datetime) -> dict[str, list[Budget | None]]:
    """For each view and entity where the time went until this answer, of a row that was published live."""
    return {
        answer.view: [
            None if event is None or heard is None else budget(event, heard, now)
            for event, heard in zip(answer.events, answer.heard or [None] * len(answer.events), strict=True)
        ]
        for answer in response.answers
    }


def to_proto(kind: str, value: Any) -> Value:
    """A value as Feast's protobuf; `None` is the empty value."""
    if value is None:
        return Value()
    return value if isinstance(value, Value) else Value(**{kind: value})


def to_python(value: Any) -> Any:
    """A stored value as Python; what is not a plain scalar is still a protobuf until here."""
    return feast_value_type_to_python_type(value) if isinstance(value, Value) else value


def entity_value(value: Any) -> Value:
    """An entity value of a request as Feast's protobuf."""
    kind = {bool: "bool_val", int: "int64_val", float: "double_val", bytes: "bytes_val"}.get(type(value), "string_val")
    return to_proto(kind, value)


def _timestamp(event: int | None) -> Timestamp:
    time = Timestamp()
    if event is not None:
        time.FromMicroseconds(event)
    return time
