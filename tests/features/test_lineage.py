"""Declared lineage equals the measured one: change one source column and see which features move."""

from typing import Any

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.shipped import catalog
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.shipped.signals import volatility_breakout
from crypto_features.tables.artefact import opened, written
from crypto_features.tables.derived import inputs_of
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import lineage
from crypto_features.tables.partition import every_row
from crypto_features.tables.table import Table
from crypto_features.versions.probe_market import probe_market
from tests.features.markets import DAY, HOUR
from tests.features.other_catalog import catalog as other

KEYS = {"symbol", "open_time", "event_timestamp", "month", "version", "completeness", "known_at"}


def moved(name: str, column: pl.DataFrame, source: str) -> pl.DataFrame:
    """The table with one column changed, differently from row to row."""
    if source == "parameters":
        model = opened(column["parameters"][0]).parameters
        other = {**model, "mean": _shifted(model["mean"]), "calibration": (0.1, 0.5)}
        return column.with_columns(parameters=pl.lit(written(other, {})))
    shaken = pl.col(source) * (1 + 0.9 * (pl.int_range(pl.len()) * 1.7).sin())
    return column.with_columns(shaken.alias(source))


def _shifted(mean: Any) -> Any:
    return [_shifted(part) for part in mean] if isinstance(mean, list) else mean * 1.2 + 0.01


def measured(group: FeatureGroup) -> dict[str, set[tuple[str, str]]]:
    inputs = inputs_of(group, probe_market(), interval=HOUR)
    inputs = {source.table.name: inputs[source.table.name] for source in group.inputs}
    before = every_row(group, inputs, interval=HOUR)
    found: dict[str, set[tuple[str, str]]] = {feature.name: set() for feature in group.features}
    for table, frame in inputs.items():
        for column in set(frame.columns) - KEYS:
            after = every_row(group, inputs | {table: moved(table, frame, column)}, interval=HOUR)
            for name, sources in found.items():
                if not after[name].equals(before[name]):
                    sources.add((table, column))
    return found


@pytest.mark.parametrize(
    "group",
    [*catalog.groups.values(), volatility_breakout(k=None), *other.groups.values()],
    ids=[*catalog.groups, "noise k", *other.groups],
)
def test_declared_lineage_is_the_measured_one(group: FeatureGroup) -> None:
    assert {name: set(sources) for name, sources in lineage(group).items()} == measured(group)


def test_each_column_of_a_daily_candle_comes_from_that_column_of_the_candles() -> None:
    before = resample(probe_market(), HOUR, DAY)
    for column in ("open", "high", "low", "close", "volume"):
        after = resample(moved("candles", probe_market(), column), HOUR, DAY)
        assert [name for name in before.columns if not after[name].equals(before[name])] == [column]
    fewer = resample(probe_market().filter(pl.col("open_time").dt.hour() != 12), HOUR, DAY)
    assert not fewer["completeness"].equals(before["completeness"])


def test_services_choose_features_that_exist_in_the_order_of_the_design() -> None:
    for service in catalog.services.values():
        for group, names in service.features.items():
            assert set(names) <= {feature.name for feature in catalog.groups[group].features}
    assert catalog.services["regime_classification_features"].features == {"price_features": ULTRA_5}
    assert catalog.services["ml_training_features"].features == {
        "price_features": ULTRA_5,
        "volume_features": ("volume_ratio",),
    }


def test_tables_come_after_those_that_they_read() -> None:
    assert {*catalog.tables.values()} > {*catalog.groups.values()}
    seen: set[Table] = set()
    for table in (*catalog.tables.values(), *other.tables.values()):
        assert {source.table for source in table.inputs} <= seen
        seen.add(table)
