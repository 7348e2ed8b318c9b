"""Packs rows of Feast's protobuf for the online store, each value in the field that the schema declares."""

from collections.abc import Sequence
from datetime import datetime
from math import isinf, isnan
from typing import Any

from feast import FeatureView
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.value_type import ValueType

from crypto_features.errors import InputError
from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.packing import packer
from crypto_features.store.online.request import serialized
from crypto_features_reader import guard
from crypto_features_reader.unpacking import kind_of

_NUMBERS = frozenset({"int32", "int64", "float", "double", "bool", "unix_timestamp"})
_FIELDS = {ValueType.PDF_BYTES: "bytes_val", ValueType.IMAGE_BYTES: "bytes_val", ValueType.VALUE_LIST: "list_val"}


WriteRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


def packed_values(view: FeatureView, data: Sequence[WriteRow], version: int) -> list[StoredRow]:
    """One packed row for each entity key with its values, event time and creation time, which may be missing.

    Raises:
        InputError: if a row lacks an event time or an entity value, or a value does not fit its feature's type.
    """
    types = {field.name: field.dtype.to_value_type() for field in view.features}
    kinds = [kind_of(value_type.name) for value_type in types.values()]
    pack = packer(tuple(types), tuple(kinds))
    rows = []
    for key, values, event, created in data:
        time = guard.stamp(event)
        if time is None:
            raise InputError(f"{view.name}: a row has no event time; nothing was published.")
        payload = pack([_content(n, values.get(n), types[n], kind) for n, kind in zip(types, kinds, strict=True)])
        rows.append(StoredRow(serialized(key, version), time, guard.stamp(created) or 0, payload))
    return rows


def _content(feature: str, value: Value | None, value_type: ValueType, kind: str) -> Any:
    """What is packed of a value: of kind `value` its bytes, of any other the Python value; `None` if it is empty."""
    found = Value() if value is None else declared(feature, value, value_type)
    if found.WhichOneof("val") is None:
        return None
    return found.SerializeToString() if kind == "value" else getattr(found, kind)


def declared(feature: str, value: Value, value_type: ValueType) -> Value:
    """The value in the field of its declared type; numbers and lists of numbers are converted without loss.

    Only a float is rounded. NaN among integers is the empty value.

    Raises:
        InputError: if the declared type does not hold the value.
    """
    held, field = value.WhichOneof("val"), _FIELDS.get(value_type, f"{value_type.name.lower()}_val")
    if held in (None, field) or value_type is ValueType.UNKNOWN:
        return value
    (given, given_list), (kind, kind_list) = _parts(held), _parts(field)
    if not (given in _NUMBERS and kind in _NUMBERS and given_list == kind_list):
        raise InputError(f"{feature!r} is declared as {value_type.name}; it was given {held}, not {field}.")
    found, content = Value(), getattr(value, held)
    try:
        if kind_list:
            getattr(found, field).val.extend([_number(kind, number) for number in content.val])
        elif not (isinstance(content, float) and isnan(content)):
            setattr(found, field, _number(kind, content))
    except (ValueError, OverflowError):
        shown = list(content.val) if kind_list else content
        raise InputError(f"{feature!r} is declared as {value_type.name}, which does not hold {shown!r}.") from None
    return found


def _parts(field: str) -> tuple[str, bool]:
    """What a field of the protobuf holds, and whether it is a list."""
    kind = field.removesuffix("_val")
    return kind.removesuffix("_list"), kind.endswith("_list")


def _number(kind: str, number: Any) -> Any:
    if kind in ("float", "double"):
        rounded = Value(float_val=float(number)).float_val if kind == "float" else float(number)
        if isinf(rounded) and not isinf(number):
            raise OverflowError
        return rounded
    whole = int(number)
    if whole != number or (kind == "bool" and whole not in (0, 1)):
        raise ValueError
    return bool(whole) if kind == "bool" else whole
