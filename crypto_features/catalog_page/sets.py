"""Training sets that are built whole, as the page shows them: their label, and how each feature went with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import polars as pl

from crypto_features.catalog_page import stored as kept
from crypto_features.catalog_page.drift import set_states
from crypto_features.catalog_page.entries import Check, TableEntry
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.table import Table, stored
from crypto_features.report import FeatureReport, measure
from crypto_features.report.labels import labels_of
from crypto_features.report.published import DELAYS
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.training import TrainingSet
from crypto_features.training.folder import SetFolder, sets_of
from crypto_features.training.inputs import declaration

Measured = Callable[[FeatureGroup, pl.DataFrame], Mapping[str, FeatureReport]]
"""The reports on some columns of a group, beside `symbol` and `event_timestamp`."""
MOST_TIMES, LEAST_TIMES, MOST_CELLS = 1500, 200, 100_000
"""Times over which the reports on features go, spread over all that is published: fewer of many symbols."""


def times_of(symbols: int) -> int:
    """Over how many times a report on so many symbols goes."""
    return min(MOST_TIMES, max(LEAST_TIMES, MOST_CELLS // max(1, symbols)))


def set_entry(
    settings: Settings,
    catalog: Catalog,
    training: TrainingSet,
    checks: tuple[Check, ...],
    regimes: pl.DataFrame | None,
) -> TableEntry:
    """A set on the page.

    Args:
        settings: Of the platform.
        catalog: The catalog.
        training: The set.
        checks: The newest results of its checks.
        regimes: What `regimes_of` gives.
    """
    label, service = training.label, training.service
    built = sets_of(settings.root, training.name)
    newest = built[-1] if built else None
    read = dict.fromkeys((*(table.name for table in training.inputs), *service.features))
    columns = []
    if label is not None:
        meaning = (
            f"{label.description} Known {label.horizon} after the close of a bar of {label.bars.name} at the latest."
        )
        columns = [(label.name, label.unit, "", meaning)]
    return TableEntry(
        training.name,
        "training set",
        service.description,
        [("Service", service.name), *_declared(training), *_built(newest)],
        reads=tuple(name for name in read if name in catalog.tables),
        columns=columns,
        checks=checks,
        drift=tuple(set_states(newest, training).items()),
        label="" if label is None else label.name,
        reports=tuple(_reports(settings, catalog, training, regimes)),
        assets=[("training set", training.name)],
    )


def _declared(training: TrainingSet) -> Iterator[tuple[str, str]]:
    said = declaration(training)
    for term in ("rows", "weights", "folds"):
        if isinstance(found := said[term], Mapping):
            yield term.capitalize(), ", ".join(f"{name} {value}" for name, value in found.items() if value is not None)


def _built(folder: SetFolder | None) -> list[tuple[str, str]]:
    if folder is None:
        return [("Built", "not yet")]
    with suppress(InputError):  # of a manifest that is damaged the page says no more than that there is one.
        said = folder.manifest
        return [("Built", f"{said['built_at'][:10]}, {said['rows']['count']:,} rows"), ("Digest", said["digest"][:12])]
    return [("Built", f"{folder.path}, whose manifest cannot be read")]


def _reports(
    settings: Settings, catalog: Catalog, training: TrainingSet, regimes: pl.DataFrame | None
) -> Iterator[tuple[str, str, FeatureReport | str]]:
    """The view, the name and the report of each feature, or why there is none."""
    if training.label is None:
        return
    named = [(view, name) for view, names in training.service.features.items() for name in names]
    try:
        labels = labels_of(settings, catalog, training.label)
        most = times_of(labels.rows["symbol"].n_unique())
        outcomes = labels.outcomes(settings, delays=DELAYS, regimes=regimes, most_times=most)
    except (InputError, UnknownNameError) as error:
        yield from ((view, name, f"There is no report: {error}") for view, name in named)
        return

    def measured(group: FeatureGroup, values: pl.DataFrame) -> Mapping[str, FeatureReport]:
        joined = labels.joined(settings, group, values)
        return measure(joined.columns[2:], joined, outcomes, label=labels.declared.name)

    for view, names in training.service.features.items():
        group, found = catalog.views[view], dict[str, FeatureReport | str]()
        if isinstance(group, FeatureGroup):
            found = _of_group(stored(settings.root, catalog, view), group, names, measured)
        there = f"{view} is of another project, which reports on it."
        yield from ((view, name, found.get(name, there)) for name in names)


def _of_group(
    table: Table, group: FeatureGroup, names: Sequence[str], measured: Measured
) -> dict[str, FeatureReport | str]:
    """The report on each feature, or why there is none."""
    types = {name: group.feature(name).column_type for name in names}
    ranked = [name for name, dtype in types.items() if dtype.is_numeric() or dtype == pl.Boolean()]
    none = {name: f"A {dtype} has no ranks." for name, dtype in types.items() if name not in ranked}
    try:
        values = kept.read(table, kept.stored_of(table), ["symbol", "event_timestamp", *ranked])
    except InputError as error:  # a damaged month, which it names.
        return {**none, **dict.fromkeys(ranked, str(error))}
    there = [name for name in ranked if name in values.columns and values[name].null_count() < values.height]
    none |= {name: "No value is published yet." for name in ranked if name not in there}
    return {**none, **(measured(group, values.select("symbol", "event_timestamp", *there)) if there else {})}
