"""A run over many months: one run, oldest first, and what was published before a failure stays and counts."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from upath import UPath

from crypto_features.graph import features as feature_assets
from crypto_features.graph.features import feature_table
from crypto_features.graph.lake import LakeResource
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.tables.months import months_between

DAY = timedelta(days=1)
START, END = datetime(2019, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
MONTHS = months_between(START, END)
FAILING = MONTHS[39]


@pytest.fixture
def lake(tmp_path: Path) -> LakeResource:
    """Five years of daily candles of one symbol."""
    days = (END - START) // DAY
    close = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.02, days)))
    daily = pl.DataFrame(
        {
            "symbol": "BTC",
            "open_time": pl.datetime_range(START, END, DAY, closed="left", time_unit="us", time_zone="UTC", eager=True),
            **{name: close * factor for name, factor in (("open", 1.0), ("high", 1.1), ("low", 0.9), ("close", 1.0))},
            "volume": 1.0,
            "completeness": 1.0,
        }
    )
    table = Table(UPath(tmp_path), "daily_candles", time="open_time")
    month = pl.col("open_time").dt.strftime("%Y-%m")
    for (name,), rows in daily.with_columns(month=month).partition_by("month", as_dict=True, include_key=False).items():
        table.publish(str(name), rows)
    return LakeResource(root=str(tmp_path), interval_minutes=60)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as one:
        yield one


def run(lake: LakeResource, instance: dg.DagsterInstance, last: str = MONTHS[-1]) -> dg.ExecuteInProcessResult:
    """`price_features` from the first month to the last, in one run."""
    months = dg.MonthlyPartitionsDefinition(START, end_date=END, fmt="%Y-%m")
    asset = feature_table(Settings.load(), catalog.groups["price_features"], months)
    return dg.materialize(
        [asset],
        instance=instance,
        resources={"lake": lake},
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": MONTHS[0],
            "dagster/asset_partition_range_end": last,
        },
    )


def before_each(patch: pytest.MonkeyPatch, call: Callable[[str], None]) -> None:
    """Call it with each month when its rows are computed, which begins by one reading of the one input."""

    class Watched(Reading):
        def __call__(
            self, name: str, months: Sequence[str], columns: Sequence[str] | None, symbols: Sequence[str] | None
        ) -> pl.DataFrame:
            call(months[-1])
            return super().__call__(name, months, columns, symbols)

    patch.setattr(feature_assets, "Reading", Watched)


def test_a_crash_in_month_40_of_60_keeps_the_39(
    lake: LakeResource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(month: str) -> None:
        if month == FAILING:
            raise RuntimeError("out of memory")

    assert len(MONTHS) == 60
    before_each(monkeypatch, crash)
    assert not run(lake, instance).success
    table = lake.table("price_features")
    assert table.months() == MONTHS[:39]
    assert instance.get_materialized_partitions(dg.AssetKey("price_features")) == set(MONTHS[:39])
    before = {month: table.digest(month) for month in MONTHS[:39]}

    monkeypatch.undo()
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", lake.root)
    assert run(lake, instance).success
    assert table.months() == MONTHS
    assert {month: table.digest(month) for month in MONTHS[:39]} == before


def test_a_range_is_one_run_that_publishes_each_month_once_and_the_oldest_first(
    lake: LakeResource, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    before_each(monkeypatch, computed.append)
    assert run(lake, instance, MONTHS[11]).success
    assert computed == list(MONTHS[:12])
    assert len(instance.get_runs()) == 1
