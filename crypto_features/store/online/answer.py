"""The answers of a guarded read in Feast's form; its protobuf is built only on demand."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from feast.online_response import OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp

from crypto_features_reader.answer import ViewAnswer
from crypto_features_reader.features import OnlineFeatures, budgets, event_times, lowest_completeness
from crypto_features_reader.features import statuses as statuses_of
from crypto_features_reader.guard import Status

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
    statuses = statuses_of(all_answers(response))
    if isinstance(response, GuardedResponse):
        statuses = {name: statuses[name] for name in response.order or statuses}
    else:
        words = {number: status.value for status, number in _PROTO_STATUS.items() if status not in _UNTOLD}
        named = zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True)
        shown = {name: [words[status] for status in vector.statuses] for name, vector in named if name not in entities}
        statuses = {name: statuses.get(name, words) for name, words in shown.items()}
    return response.to_dict(), statuses, event_times(response.answers)


def partial_rows(response: GuardedResponse | FeastResponse) -> dict[str, list[int]]:
    """The features with a value that lacks symbols which it compares, each with the places of these rows."""
    return {
        name: [row for row, status in enumerate(answer.statuses_of(column)) if status is Status.PARTIAL]
        for answer in all_answers(response)
        if Status.PARTIAL in answer.statuses
        for name, column in zip(answer.names, answer.columns, strict=True)
    }


def all_answers(response: GuardedResponse | FeastResponse) -> Sequence[ViewAnswer]:
    """The answers of the views that were read, and of the on-demand views that were computed."""
    return (*response.answers, *response.computed) if isinstance(response, FeastResponse) else response.answers


def online_features_of(
    response: GuardedResponse | FeastResponse, entities: Collection[str], now: datetime
) -> OnlineFeatures:
    """What a bot gets of a response of the guarded store that was read now."""
    spent, lowest = budgets(response.answers, now), lowest_completeness(response.answers)
    return OnlineFeatures(*summary(response, entities), lowest, budgets=spent, now=now)


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
