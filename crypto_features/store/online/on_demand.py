"""Features that are computed while they are read: a function sees the rows that may be served, and no other row."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pyarrow as pa
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values

from crypto_features.errors import InputError
from crypto_features.store.online.answer import to_python
from crypto_features.store.online.request import result_names
from crypto_features_reader.answer import WITHHELD, WORST, ViewAnswer
from crypto_features_reader.guard import Status


def computed(
    view: OnDemandFeatureView,
    requested: Sequence[str],
    given: Mapping[str, Sequence[Any]],
    answers: Sequence[ViewAnswer],
    *,
    full: bool,
) -> ViewAnswer:
    """The answer of an on-demand view; a row of which one input is withheld is withheld with the same status.

    Args:
        view: The on-demand view, which computes while it is read.
        requested: Its features that are asked for.
        given: Entity values and request data by name, a list each.
        answers: What was read; those of the view's sources are its input.
        full: Whether features are named with their view.

    Raises:
        InputError: if the function leaves out a feature, or returns another number of values than it was given rows.
    """
    names = {source.name_to_use() for source in view.source_feature_view_projections.values()}
    sources = [answer for answer in answers if answer.view in names]
    height = len(sources[0].statuses if sources else next(iter(given.values())))
    statuses = [max(row, key=WORST.index) for row in zip(*(answer.statuses for answer in sources), strict=True)]
    statuses = statuses or [Status.PRESENT] * height
    served = [row for row, status in enumerate(statuses) if status not in WITHHELD]
    inputs = dict(given) | {n: c for answer in sources for n, c in zip(answer.names, answer.columns, strict=True)}
    rows = {name: [to_python(column[row]) for row in served] for name, column in inputs.items()}
    found = _transformed(view, rows, len(served), requested) if served else {}
    columns: list[list[Value | None]] = [[None] * height for _ in requested]
    for name, column in zip(requested, columns, strict=True):
        for row, value in zip(served, found.get(name, ()), strict=True):
            column[row] = value if value.WhichOneof("val") else None
    times = zip(*(answer.events for answer in sources), strict=True)
    events = [min((time for time in row if time is not None), default=None) for row in times]
    return ViewAnswer(
        view.projection.name_to_use(),
        result_names(view, requested, full=full),
        ["value"] * len(requested),
        columns,
        statuses,
        events or [None] * height,
        [_lowest(sources, height)] * len(requested),
    )


def _lowest(sources: Sequence[ViewAnswer], height: int) -> list[float | None]:
    """For each row the lowest completeness of what its values are computed from."""
    shares = [column for answer in sources for column in answer.completeness]
    rows = zip(*shares, strict=True) if shares else [()] * height
    return [min((share for share in row if share is not None), default=None) for row in rows]


def is_stored(view: OnDemandFeatureView) -> bool:
    """Whether a view is computed when it is written, and read like any other."""
    stored: bool = view.write_to_online_store
    return stored


def _transformed(
    view: OnDemandFeatureView, rows: Mapping[str, list[Any]], height: int, requested: Sequence[str]
) -> dict[str, list[Value]]:
    if view.mode != "python":
        table = view.transform_arrow(pa.table(dict(rows)))
        result = {name: table[name].to_pylist() for name in table.column_names}
    elif view.singleton:
        each = [view.transform_dict({name: [column[row]] for name, column in rows.items()}) for row in range(height)]
        result = {name: [value for row in each for value in _listed(row.get(name))] for name in requested}
    else:
        result = {name: _listed(column) for name, column in view.transform_dict(dict(rows)).items()}
    types = {field.name: field.dtype.to_value_type() for field in view.features}
    for name in requested:
        if (count := len(result.get(name, ()))) != height:
            raise InputError(
                f"on-demand view {view.name!r}: its function returned {count} values of {name!r} for {height} rows; it "
                "must return one for each row."
            )
    return {n: python_values_to_proto_values([_finite(v) for v in result[n]], types[n]) for n in requested}


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) or hasattr(values, "tolist") else [values]


def _finite(value: Any) -> Any:
    """NaN and the infinities are no values to be acted on."""
    return None if isinstance(value, float) and not isfinite(value) else value
