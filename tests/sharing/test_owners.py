"""One project writes a table: another one that declares its name is refused, however it spells the data folder."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.owners import claim, owner
from crypto_features.lake.table import Table, stored
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet

from .owner import catalog, price_features

DAY = datetime(2024, 1, 2, tzinfo=UTC)
ROWS = pl.DataFrame({"symbol": ["BTC"], "open_time": pl.Series([DAY], dtype=pl.Datetime("us", "UTC"))})


def bars(every: str, project: str) -> Catalog:
    return Catalog(Bars("daily_candles", of=RawTable("candles", project="owner"), every=every), project=project)


@pytest.fixture(params=["file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    return UPath(tmp_path / "data") if request.param == "file" else UPath(f"memory://owners{tmp_path.name}")


def test_bars_that_two_projects_declare_are_written_by_the_first_only(root: UPath) -> None:
    stored(root, bars("1d", "one"), "daily_candles").publish("2024-01", ROWS)
    before = Table(root, "daily_candles").path("2024-01").read_bytes()
    with pytest.raises(InputError, match="daily_candles is written by the project one, and two declares a table"):
        stored(root, bars("4h", "two"), "daily_candles").publish("2024-01", ROWS.clear())
    assert Table(root, "daily_candles").path("2024-01").read_bytes() == before
    stored(root, bars("1d", "one"), "daily_candles").publish("2024-01", ROWS)


def test_a_folder_that_is_spelt_otherwise_has_the_same_owner(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    claim(UPath(tmp_path / "data"), "daily_candles", "one")
    with pytest.raises(InputError, match="written by the project one"):
        claim(UPath(tmp_path / "link"), "daily_candles", "two")


def test_the_note_that_the_error_names_gives_a_table_away(root: UPath) -> None:
    claim(root, "training/desk", "one")
    with pytest.raises(InputError) as refused:
        claim(root, "training/desk", "two")
    path = root / ".owners" / "training/desk.json"
    assert str(refused.value).endswith(f"delete {path}.")
    path.unlink()
    claim(root, "training/desk", "two")
    assert owner(root, "training/desk") == "two"


def test_of_many_that_claim_a_table_at_once_one_has_it(tmp_path: Path) -> None:
    names, start, won = [f"p{n}" for n in range(16)], threading.Barrier(16), list[str]()

    def race(name: str) -> None:
        start.wait()
        try:
            claim(UPath(tmp_path), "daily_candles", name)
        except InputError:
            return
        won.append(name)

    racers = [threading.Thread(target=race, args=(name,)) for name in names]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert won == [owner(UPath(tmp_path), "daily_candles")]
    assert [path.name for path in (tmp_path / ".owners").iterdir()] == ["daily_candles.json"]


def test_training_sets_of_one_name_are_two_tables() -> None:
    service = FeatureService("desk_features", "What a model reads.", {"price_features": ("rsi_14",)})
    one = TrainingSet(service, rows=price_features.bars)
    names = [Catalog(catalog, one, project=project).training[0].name for project in ("crypto_features", "a", "b")]
    assert names == ["training/desk_features", "training/a/desk_features", "training/b/desk_features"]
    again = Catalog(Catalog(catalog, one, project="a"), project="b")
    assert [each.name for each in again.training] == ["training/b/desk_features"]
