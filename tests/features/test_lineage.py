"""Declared lineage equals the measured one: change one source column and see which features move."""

import polars as pl
import pytest

from crypto_features.compute.resample import resample
from crypto_features.shipped import catalog
from crypto_features.shipped.regime_model import ULTRA_5, RegimeModel
from crypto_features.shipped.signals import volatility_breakout
from crypto_features.tables.derived import every_row, tables
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import lineage
from crypto_features.versions.probe_market import probe_market
from tests.features.markets import DAY, HOUR

KEYS = {"symbol", "open_time", "event_timestamp", "month", "version", "completeness", "known_at"}


def moved(name: str, column: pl.DataFrame, source: str) -> pl.DataFrame:
    """The table with one column changed, differently from row to row."""
    if source == "parameters":
        model = RegimeModel.from_json(column["parameters"][0])
        shifted = tuple(tuple(value * 1.2 + 0.01 for value in mean) for mean in model.mean)
        other = RegimeModel(model.rows, shifted, model.covariance, model.transition, (0.1, 0.5)).to_json()
        return column.with_columns(parameters=pl.lit(other))
    shaken = pl.col(source) * (1 + 0.9 * (pl.int_range(pl.len()) * 1.7).sin())
    return column.with_columns(shaken.alias(source))


def measured(group: FeatureGroup) -> dict[str, set[tuple[str, str]]]:
    inputs = tables(group, probe_market(), interval=HOUR)
    inputs = {source.table: inputs[source.table] for source in group.inputs}
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
    "group", [*catalog.groups.values(), volatility_breakout(k=None)], ids=[*catalog.groups, "noise k"]
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


def test_groups_come_after_those_that_they_read() -> None:
    seen: set[str] = set()
    for group in catalog.groups.values():
        assert {source.table for source in group.inputs} - {"candles", "daily_candles", "regime_model"} <= seen
        seen.add(group.name)
