"""Everything that the page shows, gathered from the catalog and the data folder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from crypto_features.catalog_page import stored as kept
from crypto_features.catalog_page.declared import (
    clock_text,
    definition_text,
    kind_of,
    readers_of_column,
    readers_of_table,
    sources_of,
    window_text,
)
from crypto_features.catalog_page.drift import NOT_WATCHED, table_states
from crypto_features.catalog_page.entries import Around, Check, DriftState, FeatureEntry, TableEntry
from crypto_features.catalog_page.sets import set_entry, times_of
from crypto_features.durations import spoken
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.models import whole_models
from crypto_features.lake.table import Table, stored
from crypto_features.report import FeatureReport, measure
from crypto_features.report.published import regimes_of, returns_of
from crypto_features.settings import Settings
from crypto_features.tables.artefact import opened
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.declaration import declared_at
from crypto_features.tables.drift import Drift, forecast_by, watched, watched_fit
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.raw import RawTable
from crypto_features.tables.table import Table as Declared
from crypto_features.tables.training import TrainingSet

DRIFT = "drift"
"""A check whose name has this in it watches drift."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What every entry is made from."""

    settings: Settings
    catalog: Catalog
    around: Around
    regimes: pl.DataFrame | None

    def stored(self, table: str) -> Table:
        return stored(self.settings.root, self.catalog, table)


def content(settings: Settings, catalog: Catalog, around: Around) -> tuple[TableEntry, ...]:
    """Every table of a catalog, each after those that it reads, and its training sets.

    Args:
        settings: Of the platform.
        catalog: The catalog.
        around: What is known apart from the data folder's tables.
    """
    regimes = None
    with suppress(InputError):  # of a damaged table the page says so where it shows the table.
        regimes = regimes_of(settings.root, catalog)
    known = _Known(settings, catalog, around, regimes)
    tables = [_table(known, table) for table in catalog.tables.values()]
    sets = [
        set_entry(settings, catalog, one, tuple(around.checks.get(one.name, ())), regimes)
        for one in catalog.sets.values()
    ]
    return (*tables, *(_training(known, one) for one in catalog.training), *sets)


def _table(known: _Known, table: Declared) -> TableEntry:
    settings, catalog, around = known.settings, known.catalog, known.around
    name, place = table.name, declared_at(table)
    facts = [("Bars", clock_text(table, settings.interval))]
    facts += [("Declared in", f"{place.module}, line {place.line}")] if place else []
    facts += [("Project", table.project)] if table.project else []
    files = None if isinstance(table, FittedModel) else kept.stored_of(known.stored(name))
    versions = files.versions() if files is not None else kept.versions(_notes(settings, name))
    features: tuple[FeatureEntry, ...] = ()
    if files is not None:
        facts += _of_files(files)
    if isinstance(table, FeatureGroup):
        facts.append(("Served for", spoken(table.time_to_live(settings.interval))))
        features = _features(known, table, files or kept.NOTHING)
    leak = around.leaks.get(name, "")
    return TableEntry(
        name,
        kind_of(table),
        table.description,
        facts,
        reads=tuple(dict.fromkeys(i.table.name for i in table.inputs)),
        readers=readers_of_table(catalog, name),
        columns=_columns(table),
        features=features,
        versions=versions,
        views=around.views.get(name, ()),
        checks=around.checks.get(name, ()),
        leak=leak.partition("(")[0].rpartition(":")[2].strip(),
        probes=_probes(leak),
        drift=tuple(_of_model(known, table)) if isinstance(table, FittedModel) else (),
        assets=[
            ("table", name),
            *([("online view", f"online_store/{name}")] if isinstance(table, FeatureGroup) else []),
        ],
    )


def _training(known: _Known, training: TrainingSet) -> TableEntry:
    files, catalog = kept.stored_of(known.stored(training.name)), known.catalog
    service = training.service
    columns = [
        (f.name, f.unit, str(f.column_type), f"{view}: {f.description}")
        for view, names in service.features.items()
        for f in catalog.views[view].fields
        if f.name in names
    ]
    return TableEntry(
        training.name,
        "training set",
        service.description,
        [("Service", service.name), ("Rows", f"the bars of {training.bars.name}"), *_of_files(files)],
        reads=(training.bars.name, *service.features),
        columns=columns,
        versions=files.versions(),
        checks=known.around.checks.get(training.name, ()),
        assets=[("training set", training.name)],
    )


def _features(known: _Known, group: FeatureGroup, files: kept.Stored) -> tuple[FeatureEntry, ...]:
    catalog, table = known.catalog, known.stored(group.name)
    try:
        rows = kept.read(table, files, ["symbol", "event_timestamp", *group.columns])
        reports = _reports(known, group, rows)
    except InputError as error:  # a damaged month, which it names.
        rows = kept.read(table, kept.NOTHING, ())
        reports = dict.fromkeys(group.columns, str(error))
    newest = kept.by_symbol(rows)
    states = table_states(table, watched(group), group.drift or Drift(), group.bar(known.settings.interval))
    checks = tuple(check for check in known.around.checks.get(group.name, ()) if DRIFT in check.name)
    return tuple(
        FeatureEntry(
            feature.name,
            feature.description,
            definition_text(group, feature),
            _facts(feature, files),
            sources_of(catalog, group.name, feature.name),
            readers_of_column(catalog, group.name, feature.name),
            versions=files.versions(feature.name),
            nulls=kept.null_share(rows[feature.name]) if feature.name in rows.columns else None,
            distribution=kept.distribution(rows[feature.name]) if feature.name in rows.columns else None,
            curves=kept.curves(newest, feature.name) if feature.name in rows.columns else (),
            report=reports[feature.name],
            drift=states.get(feature.name, NOT_WATCHED),
            drift_checks=_of_feature(checks, feature.name),
        )
        for feature in group.features
    )


def _of_model(known: _Known, model: FittedModel) -> Iterator[tuple[str, DriftState]]:
    """What a model is fitted on, and what groups forecast by it."""
    watches = [("fitted on", model.of, watched_fit(model))]
    watches += [("forecast", g, watched(g)) for g in known.catalog.groups.values() if model.name in forecast_by(g)]
    for what, group, names in watches:
        bar = group.bar(known.settings.interval)
        found = table_states(known.stored(group.name), names, group.drift or Drift(), bar)
        yield from ((f"{what}: {group.name}.{name}", state) for name, state in found.items())


def _reports(known: _Known, group: FeatureGroup, rows: pl.DataFrame) -> Mapping[str, FeatureReport | str]:
    """The report on each feature, or why there is none."""
    ranked = [f.name for f in group.features if f.column_type.is_numeric() or f.column_type == pl.Boolean()]
    there = [name for name in ranked if name in rows.columns and rows[name].null_count() < rows.height]
    others = {f.name: f"A {f.column_type} has no ranks." for f in group.features if f.name not in ranked}
    others |= {name: "No value is published yet." for name in ranked if name not in there}
    if not there:
        return others
    try:
        most = times_of(rows["symbol"].n_unique())
        returns = returns_of(known.settings, known.catalog, group, regimes=known.regimes, most_times=most)
    except (InputError, UnknownNameError) as error:
        return {**others, **dict.fromkeys(there, f"There is no report: {error}")}
    return {**others, **measure(there, rows, returns)}


def _facts(feature: Feature, files: kept.Stored) -> list[tuple[str, str]]:
    facts = [("Unit", feature.unit), ("Type", str(feature.column_type)), ("Window", window_text(feature))]
    facts += [("Bounds", feature.range)] if feature.range else []
    taken = files.bytes_per_1000(feature.name)
    return facts + ([("On disk", f"{_number(taken)} bytes per 1,000 rows")] if taken is not None else [])


def _of_files(files: kept.Stored) -> list[tuple[str, str]]:
    if not files.months:
        return [("Published", "nothing yet")]
    span = f"{files.months[0]} to {files.months[-1]}" if len(files.months) > 1 else files.months[0]
    facts = [("Published", f"{span}, {files.rows:,} rows")]
    if (taken := files.bytes_per_1000()) is not None:
        facts.append(("On disk", f"{_number(taken)} bytes per 1,000 rows"))
    if (spent := files.cpu_ms) is not None:
        facts.append(("Computing", f"{_number(spent)} ms of processor time per 1,000 rows"))
    return facts


def _columns(table: Declared) -> list[tuple[str, str, str, str]]:
    if isinstance(table, RawTable):
        return [(c.name, c.unit, str(c.dtype), c.description) for c in table.rows.columns]
    if isinstance(table, Bars):
        return [(c.name, c.unit, str(c.dtype), c.description) for c in CANDLES.columns if not c.further]
    if isinstance(table, Borrowed):
        return [(f.name, f.unit, str(f.column_type), f.description) for f in table.fields]
    return []


def _notes(settings: Settings, model: str) -> Mapping[str, Mapping[str, str]]:
    return {month: opened(text).notes for month, text in whole_models(settings.root, model).items()}


def _probes(leak: str) -> list[tuple[str, str]]:
    """The probes that a leak report counts in brackets."""
    counted = re.search(r"\(([^()]*)\)", leak)
    return re.findall(r"([a-z-]+) (\d+)", counted[1]) if counted else []


def _of_feature(checks: Sequence[Check], feature: str) -> tuple[Check, ...]:
    """The checks that are named after a feature, or all if none is named after one."""
    named = tuple(check for check in checks if feature in check.name)
    return named or tuple(check for check in checks if check.name == DRIFT)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004 - two digits at least.


def newest(tables: Sequence[TableEntry]) -> datetime | None:
    """When the newest version that the page shows was published, UTC; `None` if that is noted nowhere."""
    noted = [v.published for table in tables for v in table.versions if v.published]
    return datetime.fromisoformat(max(noted)) if noted else None
