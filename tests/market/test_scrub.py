"""`crypto-features scrub` and its daily part name what rotted, and nothing else."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner
from upath import UPath

from crypto_features.automation.scrub import DAYS
from crypto_features.cli import app
from crypto_features.definitions import build
from crypto_features.lake.models import model_path, publish_model
from crypto_features.lake.scrub import damage, stored_files
from crypto_features.lake.table import Table
from crypto_features.settings import Settings
from crypto_features.shipped import catalog, regime_model
from crypto_features.tables.artefact import opened, written
from crypto_features.versions.provenance import PUBLISHED_AT, content_digest

MONTHS = ("2024-01", "2024-02", "2024-03")


def rows(month: str) -> pl.DataFrame:
    times = [datetime.strptime(f"{month}-{day:02d}", "%Y-%m-%d").replace(tzinfo=UTC) for day in (2, 3, 4)]
    times_us = pl.Series("event_timestamp", times, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"symbol": ["BTC"] * 3, "event_timestamp": times_us, "x": [1.0, None, 3.0]})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UPath:
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path))
    found = UPath(tmp_path)
    for month in MONTHS:
        for name in ("candles", "price_features", "training/ml_training_features", "price_features@0a"):
            Table(found, "x", time="event_timestamp").publish(month, rows(month))
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "x" / f"{month}.parquet").rename(tmp_path / name / f"{month}.parquet")
        for states in (1, 2):
            model = opened(written({"states": states}, {}))
            publish_model(found, regime_model.name, month, model, {PUBLISHED_AT: "2024-04-01"})
    (tmp_path / "x").rmdir()
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "mine.parquet").write_bytes(b"not ours")
    return found


def flip(path: UPath, place: int = 40) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(bytes(content))


def test_every_partition_and_model_is_looked_at_and_nothing_is_damaged(root: UPath) -> None:
    files = stored_files(root, catalog)
    assert len(files) == len(MONTHS) * (4 + 2)
    assert [damage(root, catalog, path) for path in files] == [None] * len(files)


def test_each_file_is_in_one_part_and_stays_there(root: UPath) -> None:
    parts = [stored_files(root, catalog, part, DAYS) for part in range(DAYS)]
    assert sorted(path for part in parts for path in part) == stored_files(root, catalog)
    assert stored_files(root, catalog, DAYS + 3, DAYS) == parts[3]


@pytest.mark.parametrize(
    ("table", "todo"),
    [
        ("candles", "Restore the file of 2024-02 from a copy. Without a copy, move it aside, keep it"),
        ("price_features", "Delete the file and materialize 'price_features' for 2024-02 again."),
        ("training/ml_training_features", "Delete the file and materialize 'ml_training_features' for 2024-02 again."),
    ],
)
def test_the_one_damaged_file_is_named_with_how_it_is_restored(root: UPath, table: str, todo: str) -> None:
    flip(root / table / "2024-02.parquet")
    said = CliRunner().invoke(app, ["scrub"])
    assert said.exit_code == 1
    assert said.output.count("Damaged:") == 1
    assert f"Damaged: partition 2024-02 of '{table}' is not a whole Parquet file" in said.output
    assert todo in said.output
    assert f"{len(MONTHS) * 6} files in {root} and all online rows were read: 1 damaged." in said.output


def test_a_model_and_one_that_was_replaced_are_named(root: UPath) -> None:
    path = model_path(root, regime_model.name, "2024-03")
    (replaced,) = (root / regime_model.name / "superseded" / "2024-03").glob("*.json")
    for place in (path, replaced):
        place.write_text(place.read_text().replace('"states": ', '"states": 1'))
        said = damage(root, catalog, place)
        assert said is not None
        assert said.startswith(f"{place} is not a whole model")


def test_rows_that_are_not_those_of_their_notes_are_named_in_a_file_without_a_checksum(root: UPath) -> None:
    path = root / "candles" / "2024-01.parquet"
    good = rows("2024-01")
    for frame, expected in ((good, None), (good.with_columns(x=pl.lit(9.0)), "its rows are not those")):
        notes = {"crypto_features": json.dumps({"digest": content_digest(good)})}
        frame.write_parquet(str(path), metadata=notes)
        said = damage(root, catalog, path)
        assert said is None if expected is None else expected in str(said)


def test_the_run_of_a_day_fails_if_a_file_of_its_part_is_damaged(root: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "candles" / "2024-01.parquet"
    flip(path)
    part = next(part for part in range(DAYS) if path in stored_files(root, catalog, part, DAYS))
    day = datetime(2024, 5, 1, tzinfo=UTC).toordinal() // DAYS * DAYS + part
    for ordinal, whole in ((day, False), (day + 1, True)):
        monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", f"{datetime.fromordinal(ordinal):%Y-%m-%d}T00:00Z")
        with dg.instance_for_test() as instance:
            job = build(Settings.load()).resolve_job_def("scrub")
            assert job.execute_in_process(instance=instance, raise_on_error=False).success == whole
