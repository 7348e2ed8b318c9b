"""A catalog: tables, services, labels and training sets of one project, in an order in which each finds its inputs."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.bars import Bars
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.completeness import COMPLETENESS
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import Label
from crypto_features.tables.lineage import ROW_COLUMNS, lineage
from crypto_features.tables.model import FittedModel
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import SHIPPED, Table
from crypto_features.tables.training import TrainingSet

QUARANTINE = "quarantine"
"""The table of the raw rows that break their contract."""
T = TypeVar("T", bound=Table)
N = TypeVar("N", FeatureService, TrainingSet, Label)
Declared = Table | FeatureService | TrainingSet | Label


class Catalog:
    """What a project declares.

    A table brings the tables that it reads, a label its bars; a training set brings its service.

    Args:
        *declared: Tables, services, labels and training sets, in any order.
        project: Name of the project that declares them, which is that of its Feast project: what it registers and
            computes is its own, and other projects of the same data folder are left alone.
        optional: Tables that exist only where CRYPTO_FEATURES_DERIVATIVES_SOURCE names a source of what they read.

    Raises:
        InputError: if two tables, services, labels or training sets have one name, a table reads a label or has the
            name of the table of rejected candles, it is open which raw table has the candles that everything is timed
            by, or the project's name is not made of a-z, 0-9 and '_'.
        UnknownNameError: naming who reads what does not exist.

    Attributes:
        tables: Every table by name, each after those that it reads.
        raw: The candles that everything is timed by: of several raw tables of candles the one without a source of its
            own.
        project: Name of the project.
        labels: Every label by name.
        training: The training sets that are tables, which grow by months.
        sets: The training sets that are built whole, by the name of their service.
    """

    def __init__(self, *declared: "Declared | Catalog", project: str = SHIPPED, optional: Sequence[Table] = ()) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", project):
            raise InputError(f"project={project!r} is not a name of a project; expected a-z, 0-9 and '_', as my_desk.")
        self.project = project
        self.optional: tuple[Table, ...] = (
            *optional,
            *(o for item in declared if isinstance(item, Catalog) for o in item.optional),
        )
        parts = [part for item in declared for part in (item.declared if isinstance(item, Catalog) else (item,))]
        found: dict[str, Table] = {}
        for part in parts:
            if isinstance(part, Table):
                _add(part, found, part.name)
            elif isinstance(part, Label):
                _add(part.bars, found, part.name)
        self._sets = tuple(_by_name("training sets", (p for p in parts if isinstance(p, TrainingSet))).values())
        own = [one if one.project == project else replace(one, project=project) for one in self._sets]
        self.training: tuple[TrainingSet, ...] = tuple(one for one in own if not one.whole)
        self.sets: Mapping[str, TrainingSet] = MappingProxyType({one.service.name: one for one in own if one.whole})
        for one in own:
            for table in one.inputs:
                _add(table, found, one.name)
        labels = [part for part in parts if isinstance(part, Label)] + [one.label for one in own if one.label]
        self.labels: Mapping[str, Label] = MappingProxyType(_by_name("labels", labels))
        services = [p for p in parts if isinstance(p, FeatureService)] + [one.service for one in own]
        self.services: Mapping[str, FeatureService] = MappingProxyType(_by_name("services", services))
        self.tables: Mapping[str, Table] = MappingProxyType(found)
        self.raw: RawTable = _timing([*self.raws.values()])
        self._check()

    def with_optional(self) -> "Catalog":
        """This catalog with its optional tables; the same one if it has none."""
        return Catalog(self, *self.optional, project=self.project) if self.optional else self

    @property
    def declared(self) -> tuple[Declared, ...]:
        """Everything, as another catalog takes it."""
        return (*self.tables.values(), *self.services.values(), *self.labels.values(), *self._sets)

    @property
    def computed(self) -> tuple[Table, ...]:
        """The tables that this project computes from others, each after those that it reads."""
        return tuple(t for t in self.tables.values() if not isinstance(t, RawTable) and t.project is None)

    @property
    def foreign(self) -> tuple[Table, ...]:
        """The tables that other projects fetch or compute."""
        return tuple(table for table in self.tables.values() if table.project is not None)

    @property
    def borrowed(self) -> Mapping[str, Borrowed]:
        """The feature views of other projects by name."""
        return self._kind(Borrowed)

    @property
    def views(self) -> Mapping[str, FeatureGroup | Borrowed]:
        """What a service may read, by name: the groups, and the views of other projects."""
        return {**self.groups, **self.borrowed}

    @property
    def timed(self) -> tuple[Table, ...]:
        """The tables whose newest row has an age that is judged.

        Not fitted models, which have no time, nor raw tables with a source of their own: how late these may be, such as
        files that come once a month, only their source knows.
        """
        further = {name for name in self.raws if name != self.raw.name}
        return tuple(t for t in self.tables.values() if not isinstance(t, FittedModel) and t.name not in further)

    @property
    def raws(self) -> Mapping[str, RawTable]:
        """The raw tables by name."""
        return self._kind(RawTable)

    def raw_of(self, name: str) -> RawTable | None:
        """The raw table of that name, or the one whose rejected rows the table of that name holds."""
        if name == QUARANTINE:
            return self.raw
        return self.raws.get(name.removeprefix(f"{QUARANTINE}/"))

    def quarantine_of(self, raw: RawTable) -> str:
        """The table of the rows of a raw table that break its contract."""
        return QUARANTINE if raw is self.raw else f"{QUARANTINE}/{raw.name}"

    @property
    def bars(self) -> Mapping[str, Bars]:
        """The resampled bars by name."""
        return self._kind(Bars)

    @property
    def groups(self) -> Mapping[str, FeatureGroup]:
        """The feature groups by name: each is a Feast view."""
        return self._kind(FeatureGroup)

    @property
    def models(self) -> Mapping[str, FittedModel]:
        """The fitted models by name."""
        return self._kind(FittedModel)

    def __getitem__(self, name: str) -> Table:
        """The table of that name.

        Raises:
            UnknownNameError: if there is none.
        """
        if name not in self.tables:
            raise UnknownNameError("table", name, self.tables)
        return self.tables[name]

    def time_of(self, name: str) -> str:
        """The column that orders a table's rows, of a training set's too; what is rejected is a raw row."""
        if (raw := self.raw_of(name)) is not None:
            return raw.time
        return self.tables[name].time if name in self.tables else Table.time

    def __repr__(self) -> str:
        return f"Catalog({', '.join(self.tables)})"

    def _kind(self, kind: type[T]) -> dict[str, T]:
        return {name: table for name, table in self.tables.items() if isinstance(table, kind)}

    def _check(self) -> None:
        """Every column that a group, a model or a service reads by its name, and whose tables are whose."""
        for foreign in self.foreign:
            if foreign.project == self.project:
                raise InputError(
                    f"{foreign.name} says project={foreign.project!r}, which is this catalog's own: leave it out, or "
                    "give the catalog another project."
                )
        for name, group in self.groups.items():
            for feature, sources in lineage(group).items():
                reader = f"{name}.{feature}"
                for table, column in sources:
                    _known("table", table, [i.table.name for i in group.inputs], reader)
                    _known(f"column of {table}", column, (*self[table].columns, COMPLETENESS, *ROW_COLUMNS), reader)
        for model in self.models.values():
            for column in model.features:
                _known(f"feature of {model.of.name}", column, self[model.of.name].columns, f"the model {model.name}")
        for service in self.services.values():
            self._check_service(service)

    def _check_service(self, service: FeatureService) -> None:
        reader = f"the service {service.name}"
        for view, features in service.features.items():
            _known("feature view", view, self.views, reader)
            for feature in features:
                _known(f"feature of {view}", feature, self[view].columns, reader)
        for view in service.versions:
            if view in self.borrowed:
                raise InputError(f"{reader} pins a version of {view}; say it where it is borrowed: Borrowed(version=).")
            if view not in service.features:
                hint = f"The service {service.name} pins its version."
                raise UnknownNameError("feature view", view, service.features, hint)


def _add(table: Table | Label, found: dict[str, Table], reader: str) -> None:
    """The table after those that it reads."""
    if isinstance(table, Label):
        raise InputError(
            f"{reader} reads the label {table.name}, which is not known until its horizon is over; only the label of a "
            f"training set may be one. Read {table.bars.name}, or features of the past."
        )
    if found.get(table.name) is table:
        return
    if table.name == QUARANTINE:
        raise InputError(f"{table!r} has the name of the table of rejected candles; give it another name.")
    for source in table.inputs:
        _add(source.table, found, table.name)
    if found.setdefault(table.name, table) is not table:
        raise InputError(f"two tables of the catalog are named {table.name!r}; give one of them another name.")


def _timing(raws: Sequence[RawTable]) -> RawTable:
    """The candles that everything is timed by."""
    candles = [raw for raw in raws if raw.has_prices]
    found = candles if len(candles) == 1 else [raw for raw in candles if raw.source is None]
    if len(found) != 1:
        raise InputError(
            f"a catalog has exactly one raw table of candles, and this one has {len(found)}"
            f"{''.join(f' ({raw.name})' for raw in found)}; declare bars and groups of one, and give every other one a "
            'source of its own, such as RawTable("candles_okx", source="ccxt:okx").'
        )
    return found[0]


def _by_name(kind: str, declared: Iterable[N]) -> dict[str, N]:
    found: dict[str, N] = {}
    for one in declared:
        if found.setdefault(one.name, one) is not one:
            raise InputError(f"two {kind} of the catalog are named {one.name!r}; give one of them another name.")
    return found


def _known(kind: str, name: str, available: Iterable[str], reader: str) -> None:
    names = tuple(available)
    if name not in names:
        hint = f"It is read by this name by {reader}: change it there too, or keep the name."
        raise UnknownNameError(kind, name, names, hint)


def clock_of(table: Table) -> Table:
    """The raw table or the bars that give a table its times."""
    while table.inputs and not isinstance(table, Bars):
        table = table.inputs[0].table
    return table


def upstream(table: Table) -> Iterator[Table]:
    """The table and every table that it reads, directly or not, nearest first; one that is read twice comes twice."""
    yield table
    for source in table.inputs:
        yield from upstream(source.table)
