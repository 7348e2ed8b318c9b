"""What cannot be a training set is one clear error, and leaves nothing that looks like one."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.folds import KFold, WalkForward
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import forward_return
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet
from crypto_features.tables.weights import Weights
from crypto_features.training import load
from crypto_features.training.build import build
from crypto_features.training.croissant import OWN
from crypto_features.training.folder import MANIFEST, SetFolder
from tests.training.folder_of_sets import DAY, NOW, START, Folder
from tests.training.sets_catalog import ahead, days, moves, whole

NO_FEATURE = FeatureGroup("empty", "Nothing.", bars=days, features=())
TWICE = pd.DataFrame({"symbol": ["AAA"] * 2, "event_timestamp": pd.to_datetime(["2024-02-01"] * 2)})


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: TrainingSet(FeatureService("none", "Nothing.", {}), days), "none has no feature"),
        (lambda: TrainingSet(FeatureService("none", "Nothing.", {"moves": ()}), days), "none has no feature"),
        (lambda: TrainingSet("none", days, features=[NO_FEATURE]), "none has no feature"),
        (lambda: TrainingSet("some", features=[moves]), "some has no rows"),
        (lambda: TrainingSet("some", days, features=["return_3"]), "expected a group or 'view:feature'"),
        (lambda: TrainingSet("some", days, features=[moves], weights=Weights()), "weights or folds and no label"),
        (lambda: TrainingSet("some", days, features=[moves], folds=KFold(folds=2)), "weights or folds and no label"),
        (lambda: TrainingSet("some", days, features=[moves], as_of="rows"), "expected 'row'"),
        (lambda: TrainingSet("some", TWICE, features=[moves]), "AAA at 2024-02-01 00:00 twice"),
        (lambda: TrainingSet("some", TWICE.head(0), features=[moves]), "are none"),
        (lambda: TrainingSet("some", TWICE.assign(more=1), features=[moves]), "symbol and event_timestamp, and no"),
        (lambda: TrainingSet("some", "days", features=[moves]), "expected bars, Cusum"),  # type: ignore[arg-type] # the mistake.
        (lambda: TrainingSet("some", moves, features=[moves]), "expected the table of bars"),
        (
            lambda: TrainingSet("some", label=forward_return("return_3", bars=days, horizon="1d"), features=[moves]),
            "the column 'return_3' twice",
        ),
    ],
)
def test_a_declaration_that_gives_no_set_is_refused(declare: Callable[[], TrainingSet], message: str) -> None:
    with pytest.raises(InputError, match=message):
        declare()


def test_a_set_of_unknown_features_is_refused_with_its_name() -> None:
    with pytest.raises(UnknownNameError, match="read by this name by the service some"):
        Catalog(moves, TrainingSet("some", days, features=["moves:return_4"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": forward_return("far", bars=days, horizon="200d")}, "has a label for none of 227 rows .*200d"),
        ({"folds": KFold(folds=200)}, "fold_.* has no row to"),
        ({"folds": WalkForward(folds=3, embargo="80d")}, "has no row to train on"),
        ({"as_of": START - DAY}, "before 2024-01-01 01:00 UTC, when the first candle closed"),
        ({"as_of": NOW + DAY}, "later than now"),
    ],
)
def test_a_set_that_cannot_be_built_writes_nothing(
    folder: Folder, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(folder.origin(replace(whole, **change)), SetFolder(UPath(tmp_path / "set")))
    assert not (tmp_path / "set").exists()


def test_a_folder_that_is_not_a_set_and_a_half_written_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a training set"):
        load(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match="half-written"):
        load(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match="is not the manifest of a training set"):
        load(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps({OWN: {"format": 9}}))
    with pytest.raises(InputError, match="of format 9"):
        load(tmp_path)


def test_a_build_leaves_alone_what_others_wrote(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which no build wrote"):
        build(folder.origin(whole), SetFolder(UPath(tmp_path)))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "2023-01.parquet").write_bytes(b"half")
    build(folder.origin(whole), SetFolder(UPath(tmp_path)))
    assert [one.name for one in sorted((tmp_path / "data").iterdir())] == [f"2024-0{n}.parquet" for n in (1, 2, 3)]
    with pytest.raises(InputError, match="holds a training set already"):
        build(folder.origin(whole), SetFolder(UPath(tmp_path)))


def test_candles_that_are_published_meanwhile_stop_a_build(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crypto_features.errors import TransientError
    from crypto_features.training.build import Origin

    seen = iter([{"candles": {"2024-01": "one"}}, {"candles": {"2024-01": "other"}}])
    monkeypatch.setattr(Origin, "published", lambda *_: next(seen))
    with pytest.raises(TransientError, match="published while they were read"):
        build(folder.origin(whole), SetFolder(UPath(tmp_path / "set")))
    assert not (tmp_path / "set" / MANIFEST).exists()


def test_a_service_with_a_label_is_a_set_of_that_name() -> None:
    one = TrainingSet(FeatureService("desk", "A desk's.", {"moves": ("range_1",)}), label=ahead)
    found = Catalog(moves, one, project="desk")
    assert (one.whole, found.sets["desk"].name, found.training) == (True, "training/desk/desk", ())
    assert found.labels == {"ahead_3d": ahead}
    assert isinstance(one.rows, type(days))


def test_times_of_another_zone_are_the_same_instants() -> None:
    zoned = pl.DataFrame({"symbol": ["AAA"], "event_timestamp": [NOW]}).with_columns(
        pl.col("event_timestamp").dt.convert_time_zone("Asia/Seoul")
    )
    one = TrainingSet("own", zoned, features=[moves])
    assert isinstance(one.rows, pl.DataFrame)
    assert one.rows["event_timestamp"].to_list() == [NOW]
    assert NOW - one.rows["event_timestamp"][0] == timedelta(0)
