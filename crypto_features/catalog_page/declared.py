"""What a catalog declares, as the page shows it: kinds, definitions, lineage to raw columns, and consumers."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from crypto_features.catalog_page.entries import Reader, Source
from crypto_features.catalog_page.expression_text import expression_text
from crypto_features.durations import spoken, timeframe
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import lineage
from crypto_features.tables.model import FittedModel
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table

KINDS: Mapping[type[Table], str] = {
    RawTable: "raw table",
    Bars: "bars",
    FeatureGroup: "feature group",
    FittedModel: "fitted model",
    Borrowed: "borrowed view",
}


def kind_of(table: Table) -> str:
    """What kind of table it is, in words."""
    return next((words for kind, words in KINDS.items() if isinstance(table, kind)), type(table).__name__)


def clock_text(table: Table, interval: timedelta) -> str:
    """How long its bars are, such as `1d`."""
    length = table.bar(interval)
    return timeframe(length) if length else "events"


def window_text(feature: Feature) -> str:
    """What decides a value, such as `513 bars, a value from 15`."""
    parts = [f"{feature.window} bar{'s' if feature.window > 1 else ''}"]
    if feature.warm_up != feature.window:
        parts.append(f"a value from {feature.warm_up}")
    if feature.calendar:
        parts.append(f"back {spoken(feature.calendar)}")
    return ", ".join(parts)


def definition_text(group: FeatureGroup, feature: Feature) -> str:
    """The expression of a feature, or the function of its group."""
    if feature.expression is not None:
        return expression_text(feature.expression)
    return "" if group.function is None else f"{group.function.__module__}.{group.function.__qualname__}(inputs)"


def sources_of(catalog: Catalog, table: str, column: str) -> tuple[Source, ...]:
    """What a column is computed from, down to raw columns."""
    found = catalog[table].sources if not isinstance(catalog[table], FeatureGroup) else lineage(catalog.groups[table])
    return tuple(Source(t, c, sources_of(catalog, t, c)) for t, c in found.get(column, ()) if (t, c) != (table, column))


def readers_of_table(catalog: Catalog, name: str) -> tuple[Reader, ...]:
    """The tables that read a table, the services that read of it, and the training sets whose rows it gives."""
    tables = [
        Reader(kind_of(t), t.name, t.name) for t in catalog.tables.values() if name in (i.table.name for i in t.inputs)
    ]
    services = [Reader("service", s.name) for s in catalog.services.values() if name in s.features]
    sets = [
        Reader("training set", one.name, one.name)
        for one in catalog.training
        if name == one.bars.name or name in one.service.features
    ]
    whole = [
        Reader("training set", one.name, one.name)
        for one in catalog.sets.values()
        if name in one.service.features or name in (table.name for table in one.inputs)
    ]
    return (*tables, *services, *sets, *whole)


def readers_of_column(catalog: Catalog, table: str, column: str) -> tuple[Reader, ...]:
    """The columns that are computed from a column, and the services and training sets that read it."""
    services = [s for s in catalog.services.values() if column in s.features.get(table, ())]
    sets = [one for one in catalog.training if column in one.service.features.get(table, ())]
    whole = [one for one in catalog.sets.values() if column in one.service.features.get(table, ())]
    return (
        *_computed_from(catalog, table, column),
        *(Reader("service", service.name) for service in services),
        *(Reader("training set", one.name, one.name) for one in sets),
        *(Reader("training set", one.name, one.name) for one in whole),
    )


def _computed_from(catalog: Catalog, table: str, column: str) -> Iterator[Reader]:
    group = catalog.groups.get(table)
    for feature in () if group is None else group.features:
        if feature.expression is not None and column in {*feature.expression.meta.root_names()} - {feature.name}:
            yield Reader("column", f"{table}.{feature.name}", table)
    for other in catalog.tables.values():
        own = lineage(other) if isinstance(other, FeatureGroup) else other.sources
        for name, sources in own.items():
            if (table, column) in sources:
                yield Reader(
                    "model" if isinstance(other, FittedModel) else "column", f"{other.name}.{name}", other.name
                )
