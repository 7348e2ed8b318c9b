"""What a request asks for: the entity keys behind its rows, checked before anything is read."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType

from crypto_features.errors import InputError, UnknownNameError

_MOST_REMEMBERED, _LONGEST_REMEMBERED = 100_000, 200
_known: dict[tuple[object, ...], dict[tuple[object, ...], bytes]] = {}
"""Serialized keys by join keys, types and version, and then by value: to serialize one takes longer than its read."""

EntityRows = list[dict[str, Any]] | Mapping[str, Sequence[Any]]


def columns_of(entity_rows: EntityRows) -> Mapping[str, Sequence[Any]]:
    """The rows of a request as a list for each name.

    Raises:
        InputError: if the rows have different names, or there are none.
    """
    if not isinstance(entity_rows, list):
        return entity_rows
    if not _are_alike(entity_rows):
        raise InputError("entity_rows needs at least one row, and the same names in each row.")
    return {name: [row[name] for row in entity_rows] for name in entity_rows[0]}


def _are_alike(rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(rows) and all(row.keys() == rows[0].keys() for row in rows)


def join_key_columns(
    entity_rows: EntityRows, join_keys: set[str], views: Sequence[FeatureView]
) -> dict[str, Sequence[Any]] | None:
    """The join keys of a request, a list each; `None` if the request needs Feast's own, slower reading."""
    if isinstance(entity_rows, list) and not _are_alike(entity_rows):
        return None
    columns = {name: values for name, values in columns_of(entity_rows).items() if name in join_keys}
    plain = all(
        isinstance(values, list | tuple) and not any(value is None or isinstance(value, Value) for value in values)
        for values in columns.values()
    )
    needed = {key for view in views for key in _entity_columns(view).values()}
    complete = needed <= columns.keys() and len({len(values) for values in columns.values()}) == 1
    return columns if plain and complete else None


def require_join_keys(entity_rows: EntityRows, entities: Mapping[str, str], views: Sequence[FeatureView]) -> None:
    """Check that a request has every join key, be it under its entity's name.

    Raises:
        UnknownNameError: naming the first one that it lacks.
    """
    given: set[str] = set()
    given.update(*(entity_rows[:1] if isinstance(entity_rows, list) else [entity_rows]))
    given |= {key for entity, key in entities.items() if entity in given}
    for view in views:
        for key in _entity_columns(view).values():
            if key not in given and key != "__dummy_id":
                raise UnknownNameError("entity", key, given, f"{view.name} is read by it.")


def require_values(entity_rows: EntityRows, names: Collection[str]) -> None:
    """Check that no join key of a request is null, for which Feast has an error about Python's attributes.

    Raises:
        InputError: naming the first one that is null in a row.
    """
    for name in names:
        if isinstance(entity_rows, list):
            values: Any = [row[name] for row in entity_rows if name in row]
        else:
            values = entity_rows.get(name)
        if isinstance(values, list | tuple) and any(value is None for value in values):
            raise InputError(f"{name!r} is a join key and has no value in a row; expected one in each row.")


def entity_keys(
    view: FeatureView, entities: Mapping[str, Sequence[Any]], version: int
) -> tuple[list[bytes], list[tuple[object, ...]]]:
    """For each row of a request its serialized entity key, and its join key values.

    Raises:
        InputError: if a value has the wrong type.
    """
    rows = list(zip(*(entities[name] for name in _entity_columns(view).values()), strict=True))
    names = tuple(column.name for column in view.entity_columns)
    types = tuple(column.dtype.to_value_type() for column in view.entity_columns)
    known = _known.setdefault((names, types, version), {})
    if len(known) > _MOST_REMEMBERED:
        known.clear()
    try:
        found = [known.get(row) for row in rows]
    except TypeError as error:
        raise InputError(f"{', '.join(names)}: an entity value is not one value: {error}") from error
    return [key or _remember(known, names, types, row, version) for key, row in zip(found, rows, strict=True)], rows


def serialized(key: EntityKey, version: int) -> bytes:
    """The bytes of an entity key, by which its row is stored.

    Raises:
        InputError: if a value is missing or has a type that no key has.
    """
    for name, value in zip(key.join_keys, key.entity_values, strict=True):
        if value.WhichOneof("val") is None:
            raise InputError(f"{name!r} is a join key and has no value in a row; expected one in each row.")
    try:
        found: bytes = serialize_entity_key(key, version)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{', '.join(key.join_keys)}: an entity value has the wrong type: {error}") from error
    return found


def _remember(
    known: dict[tuple[object, ...], bytes],
    names: tuple[str, ...],
    types: tuple[ValueType, ...],
    row: tuple[object, ...],
    version: int,
) -> bytes:
    try:
        values = [python_values_to_proto_values([v], t)[0] for v, t in zip(row, types, strict=True)]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{', '.join(names)}: an entity value has the wrong type: {error}") from error
    key = serialized(EntityKey(join_keys=names, entity_values=values), version)
    # A text equals nothing but itself; 1 also equals 1.0 and True, whose keys are others.
    if len(key) <= _LONGEST_REMEMBERED and all(isinstance(value, str) for value in row):
        known[row] = key
    return key


def _entity_columns(view: FeatureView) -> dict[str, str]:
    """The join keys of a view, and under which name a request gives each."""
    renamed = view.projection.join_key_map or {}
    return {column.name: renamed.get(column.name, column.name) for column in view.entity_columns}


def result_names(view: FeatureView, requested: Sequence[str], *, full: bool) -> list[str]:
    """The names of a view's features in a response."""
    prefix = f"{view.projection.name_to_use()}__" if full else ""
    return [prefix + name for name in requested]
