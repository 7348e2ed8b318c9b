"""The shipped catalog with some tables declared otherwise, and everything that reads them declared over those."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from crypto_features import catalogs
from crypto_features.shipped import catalog
from crypto_features.tables.catalog import Catalog, Declared
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join, Table


def use(patch: pytest.MonkeyPatch, *declared: Declared) -> Catalog:
    """Make the catalog of this process one with these; a table or service of a name that ships takes its place."""
    new = redeclared(*declared)
    patch.setattr(catalogs, "_load", lambda _: new)
    return new


def redeclared(*declared: Declared) -> Catalog:
    """The shipped catalog with these."""
    tables = {one.name: one for one in declared if isinstance(one, Table)}
    services = {one.name: one for one in declared if isinstance(one, FeatureService)}
    for name, table in catalog.tables.items():
        tables.setdefault(name, _over(table, tables))
    training = [
        replace(one, service=services.get(one.service.name, one.service), rows=tables[one.bars.name])
        for one in catalog.training
    ]
    services = {**catalog.services, **{one.service.name: one.service for one in training}, **services}
    return Catalog(*tables.values(), *services.values(), *training)


def _over(table: Table, tables: Mapping[str, Table]) -> Table:
    """The table, reading these."""
    if all(tables[source.table.name] is source.table for source in table.inputs):
        return table
    if isinstance(table, FeatureGroup):
        joins = tuple(_joined(join, tables[join.table.name]) for join in table.joins)
        return replace(table, bars=tables[table.bars.name], joins=joins)
    assert isinstance(table, FittedModel)
    group = tables[table.of.name]
    assert isinstance(group, FeatureGroup)
    return replace(table, of=group)


def _joined(join: Join, table: Table) -> Join:
    return Join(table, join.lookback, join.columns, join.window, symbol=join.symbol, at=join.at, name=join.name)
