"""What is asked of one view, and the answer that its stored rows allow; Feast counts what was served."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from feast import FeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import FeastType

from crypto_features.store import feast_private
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.tags import least, lowest_columns
from crypto_features_reader import answer
from crypto_features_reader.answer import Asked, ViewAnswer
from crypto_features_reader.unpacking import kind_of


class Question(NamedTuple):
    """What is asked of one view: features, under the names of the response, of a row for each entity."""

    view: FeatureView
    requested: Sequence[str]
    names: Sequence[str]
    keys: Sequence[bytes]
    entities: Sequence[tuple[object, ...]]

    @property
    def asked(self) -> Asked:
        """The question without Feast's objects."""
        view, types = self.view, {field.name: field.dtype for field in self.view.features}
        sources = getattr(view, "source_feature_view_projections", {}).values()  # of a stored on-demand view.
        return Asked(
            view.projection.name_to_use(),
            self.names,
            self.requested,
            [kind_of_type(types[name]) if name in types else "value" for name in self.requested],
            self.keys,
            self.entities,
            [view.name, *(source.name for source in sources)],
            [*map(lowest_columns(view).get, self.requested)],
            least(view),
        )


def answered(
    question: Question, stored: Mapping[bytes, StoredRow], switches: Mapping[str, str], limits: tuple[int, int]
) -> ViewAnswer:
    """The answer of one view: values that may be used, and for each entity why it gets none.

    `limits` are the first and the last event time, in microseconds, at which a stored row may be served.
    """
    found = answer.answered(question.asked, stored, switches, limits)
    columns = [
        [Value.FromString(v) if isinstance(v, bytes) else v for v in column] if kind == "value" else column
        for kind, column in zip(found.kinds, found.columns, strict=True)
    ]
    _count(question.view.name, columns)
    return found._replace(columns=columns)


@lru_cache(maxsize=256)
def kind_of_type(dtype: FeastType) -> str:
    """The field of a Feast value that values of a Feast type are in."""
    return kind_of(dtype.to_value_type().name)


def _count(view: str, columns: Sequence[Sequence[Any]]) -> None:
    if feast_private.counts_online_features():
        from feast import metrics

        present = sum(value is not None for column in columns for value in column)
        metrics.track_feature_statuses(view, present, sum(map(len, columns)) - present)
