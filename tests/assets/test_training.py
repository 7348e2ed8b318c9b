"""A training set holds what was known then, and says what it was computed from."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from upath import UPath

from crypto_features.graph.bars import bar_table
from crypto_features.graph.features import feature_table
from crypto_features.graph.lake import LakeResource
from crypto_features.graph.materialize import range_tags
from crypto_features.graph.partitions import monthly
from crypto_features.graph.training import training_set as training_table
from crypto_features.lake.history import history
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog, daily_candles, training_set
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.store import FeastResource
from crypto_features.training.rows import training_rows
from crypto_features.versions.measured import feature_versions
from crypto_features.versions.provenance import column_digests, content_digest, input_digest

KEYS = ("symbol", "event_timestamp", "open_time")
READ = {"price_features": ULTRA_5, "volume_features": ("volume_ratio",), "daily_candles": ()}


def test_a_training_set_notes_its_service_its_fingerprints_and_the_digests_of_what_it_read(platform: Path) -> None:
    note = Table(UPath(platform), "training/ml_training_features").metadata("2024-03")
    service = catalog.services["ml_training_features"]
    assert json.loads(note["service"]) == {
        "name": "ml_training_features",
        "features": {view: list(names) for view, names in service.features.items()},
        "versions": {},
    }
    assert json.loads(note["fingerprints"]) == {
        f"{view}:{name}": feature_versions(view)[name] for view in catalog.groups for name in READ.get(view, ())
    }
    months = {table: ("2024-02", "2024-03") if table in catalog.groups else ("2024-03",) for table in READ}
    candles = Table(UPath(platform), "candles", time="open_time", raw=True)
    assert json.loads(note["inputs"]) == {
        "candles": {month: content_digest(candles.read([month]).drop("known_at")) for month in candles.months()},
        **{table: {month: read_digest(platform, table, month) for month in months[table]} for table in READ},
    }


def read_digest(platform: Path, table: str, month: str) -> str:
    """Digest of the columns that the service reads, from the rows themselves."""
    time = "open_time" if table == "daily_candles" else "event_timestamp"
    rows = Table(UPath(platform), table, time=time).read([month])
    return input_digest(column_digests(rows), [*KEYS, *READ[table]])


def test_the_noted_digest_is_that_of_the_content(platform: Path) -> None:
    table = Table(UPath(platform), "training/ml_training_features")
    note = table.metadata("2024-03")
    assert json.loads(note["columns"]) == column_digests(table.read(["2024-03"]))
    assert note["digest"] == content_digest(table.read(["2024-03"]))


def test_the_published_rows_are_those_that_the_readers_alone_give(platform: Path) -> None:
    table = Table(UPath(platform), "training/ml_training_features")
    past = history(UPath(platform), catalog, interval=timedelta(hours=1), wait=timedelta(hours=1))
    for month in table.months():
        assert training_rows(training_set, month, past).equals(table.read([month]))


def test_a_later_correction_changes_features_and_no_training_row(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = UPath(shutil.copytree(platform, tmp_path / "corrected"))
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(root))
    FeastResource().apply()
    candles, prices = Table(root, "candles", time="open_time", raw=True, by_symbol=True), Table(root, "price_features")
    training = Table(root, "training/ml_training_features")
    rows, before = training.read(), prices.read()
    run(root)
    assert prices.read().equals(before), "a run that has nothing to change changed when rows were created"

    correct(candles, "2024-02", KNOWN)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (KNOWN + timedelta(minutes=1)).isoformat())
    run(root)
    assert training.read().equals(rows)
    after = prices.read()
    changed = after["ma_5"].ne_missing(before["ma_5"])
    assert changed.sum() == 5
    assert set(after["created_timestamp"].filter(changed)) == {KNOWN}
    same = after.drop("created_timestamp").hash_rows() == before.drop("created_timestamp").hash_rows()
    assert after["created_timestamp"].filter(same).equals(before["created_timestamp"].filter(same))
    assert (before["created_timestamp"] == before["event_timestamp"]).all()


KNOWN = datetime(2024, 3, 10, 5, 40, tzinfo=UTC)


def correct(candles: Table, month: str, known_at: datetime) -> None:
    """Append another version of the last candle of BTC on the tenth."""

    def change(stored: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]]:
        assert stored is not None
        opened = datetime(2024, 2, 10, 23, tzinfo=UTC)
        wrong = stored.filter(pl.col("symbol") == "BTC", pl.col("open_time") == opened)
        right = wrong.with_columns(pl.col("open", "high", "low", "close") * 1.02, known_at=pl.lit(known_at))
        metadata = candles.metadata(month)
        del metadata["digest"]
        return pl.concat([stored, right.cast(stored.schema)]), metadata

    assert candles.update(month, change)


def run(root: UPath) -> None:
    """Compute the tables of a training set anew, all months of them."""
    settings = Settings.load()
    months = monthly(datetime(2024, 1, 1, tzinfo=UTC))
    assets = [
        bar_table(settings, daily_candles, months),
        *(feature_table(settings, catalog.groups[view], months) for view in training_set.service.features),
        training_table(settings, training_set, catalog, months),
    ]
    resources = {"lake": LakeResource(root=str(root), interval_minutes=60), "feast": FeastResource()}
    assert dg.materialize(assets, resources=resources, tags=range_tags("2024-01", "2024-03")).success
