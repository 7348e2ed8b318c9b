"""The definitions of what is declared: of features, of resampled bars and of fits."""

from collections.abc import Iterator, Mapping
from typing import Any

from crypto_features.compute.resample import resample
from crypto_features.tables.bars import DAY, Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.derived import closure
from crypto_features.tables.group import SHORTEST, FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.partition import compute_partition
from crypto_features.tables.table import Table
from crypto_features.versions.definition.reader import Reader, hashed


def feature_definitions(group: FeatureGroup, reader: Reader | None = None) -> Mapping[str, str]:
    """By feature, the digest of its definition and of those of the group's features that it reads.

    Args:
        group: A group, registered or not.
        reader: What reads the code; several groups share what one has parsed.

    Raises:
        InputError: if an expression or function holds what cannot be read, such as a compiled callable of no library.
    """
    reader = reader or Reader()
    computed = reader.digest(compute_partition), reader.digest(group.function)
    own = {
        f.name: reader.digest(f.expression, str(f.column_type), *_bars_and_joins(group, f.name)) for f in group.features
    }
    read = {name: _roots(group, name) or () for name in own}
    return {name: hashed(*computed, *(own[other] for other in sorted(closure([name], read) & {*own}))) for name in own}


def table_definitions(catalog: Catalog, reader: Reader | None = None) -> dict[str, Mapping[str, str]]:
    """The definition of each column of every table that is computed, by table."""
    reader = reader or Reader()
    return {table.name: _definitions(table, reader) for table in catalog.computed}


def _definitions(table: Table, reader: Reader) -> Mapping[str, str]:
    if isinstance(table, FeatureGroup):
        return feature_definitions(table, reader)
    if isinstance(table, FittedModel):
        own = table.fit, table.of.name, table.features, table.inputs[0].lookback
        return {"parameters": reader.digest(FittedModel.fitted, *own)}
    if isinstance(table, Bars):
        return dict.fromkeys(table.columns, reader.digest(resample, table.of.name, table.bar(DAY)))
    raise TypeError(type(table))


def _bars_and_joins(group: FeatureGroup, name: str) -> Iterator[Any]:
    """What is declared of the inputs that the feature reads: bars, lookbacks, columns computed before a join."""
    yield group.bar(SHORTEST), group.completeness
    if group.across is not None:
        yield group.across, group.universe
    feature = group.feature(name)
    roots = _roots(group, name)
    for number, source in enumerate(group.inputs):
        prefix = f"{source.name}." if number else ""
        columns = {c: e for c, e in source.columns.items() if roots is None or f"{prefix}{c}" in roots}
        if not number or roots is None or any(root.startswith(prefix) for root in roots):
            own = (source.lookback, source.window) if number or group.function else (feature.calendar, feature.window)
            yield source.table.name, own, columns
            if number and (source.symbol, source.at) != (None, "open"):
                yield source.symbol, source.at


def _roots(group: FeatureGroup, name: str) -> set[str] | None:
    """The columns that a feature's expression reads; `None` if a function reads them."""
    expression = group.feature(name).expression
    among = [] if group.universe is None else group.universe.meta.root_names()
    return None if expression is None else {*expression.meta.root_names(), *among}
