"""A small market that was computed, applied and published, at a stopped clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crypto_features.shipped import catalog
from crypto_features.store import FeastResource
from crypto_features.tables.completeness import completeness_columns
from crypto_features.tables.group import FeatureGroup

NOW = datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
SYMBOLS = ("BTC", "ETH")
DAYS = 50


def rows(group: FeatureGroup) -> pl.DataFrame:
    """A row a bar and symbol up to midnight; the first feature is the number of days since 1970."""
    step = group.bar(timedelta(hours=1))
    midnight = NOW.replace(hour=0, minute=0)
    times = pl.datetime_range(midnight - timedelta(days=DAYS), midnight, step, time_unit="us", eager=True)
    frame = pl.DataFrame({"symbol": SYMBOLS}).join(pl.DataFrame({"event_timestamp": times}), how="cross")
    random = np.random.default_rng(7)
    noise = [
        (pl.lit("BULL") if f.dtype == pl.String else pl.Series(random.normal(size=frame.height)).cast(f.dtype)).alias(
            f.name
        )
        for f in group.features
    ]
    day = pl.col("event_timestamp").dt.epoch("d").cast(group.features[0].dtype).alias(group.features[0].name)
    shares = [pl.lit(1.0).alias(name) for name in completeness_columns(group)]
    return frame.with_columns(*shares, *noise, created_timestamp=pl.col("event_timestamp")).with_columns(day)


def write(root: Path, group: FeatureGroup) -> None:
    (root / group.name).mkdir(parents=True, exist_ok=True)
    month = (pl.col("event_timestamp") - timedelta(microseconds=1)).dt.strftime("%Y-%m")
    for (name,), part in (
        rows(group).with_columns(month=month).partition_by("month", as_dict=True, include_key=False).items()
    ):
        part.sort("symbol", "event_timestamp").write_parquet(root / group.name / f"{name}.parquet")


def build(folder: Path, patch: pytest.MonkeyPatch, *, apply: bool, publish: bool) -> FeastResource:
    """Write every table below a folder and make it the data folder; apply and publish them as asked."""
    patch.setenv("CRYPTO_FEATURES_DATA", str(folder))
    patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    for group in catalog.groups.values():
        write(folder, group)
    resource = FeastResource()
    if apply:
        resource.apply()
    for name in catalog.groups if publish else ():
        resource.materialize(name, NOW, NOW)
    return resource


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was applied and published once, for tests that only read."""
    folder = tmp_path_factory.mktemp("market")
    with pytest.MonkeyPatch.context() as patch:
        build(folder, patch, apply=True, publish=True)
    return folder


@pytest.fixture
def published(shared: Path, monkeypatch: pytest.MonkeyPatch) -> FeastResource:
    """The shared market."""
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(shared))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    return FeastResource()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own with every table, before anything is applied."""
    build(tmp_path / "data", monkeypatch, apply=False, publish=False)
    return tmp_path / "data"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeastResource:
    """A market of its own, applied and published."""
    return build(tmp_path / "data", monkeypatch, apply=True, publish=True)
