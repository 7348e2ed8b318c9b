"""A set that was built can be proven: its bytes, its rows, and that the same rows come out again."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake import parquet
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.label import forward_return
from crypto_features.tables.training import TrainingSet
from crypto_features.training.build import build
from crypto_features.training.croissant import OWN
from crypto_features.training.folder import MANIFEST, SetFolder, checksum
from crypto_features.training.rebuild import rebuild
from crypto_features.training.verify import differences
from tests.training.folder_of_sets import DAY, HOUR, LATER, NOW, START, Folder, corrected, walk
from tests.training.sets_catalog import CLOSE, among, barriers, candles, days, events, moves, whole

SETS = (whole, barriers, events)


@pytest.fixture(scope="module")
def built(filled: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each set, built when the data folder was computed."""
    path = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
        for one in SETS:
            build(filled.origin(one), SetFolder(UPath(path / one.service.name)))
    return path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    """The set `whole`, to be changed."""
    return shutil.copytree(built / "whole", tmp_path / "whole")


def of(path: Path) -> SetFolder:
    return SetFolder(UPath(path))


@pytest.fixture(scope="module")
def later(filled: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder a month later: corrected, backfilled before and between, with new symbols and new candles."""
    draw = random.Random(11)
    old = [one for one in filled.candles if one.open_time < NOW]
    fixes = [corrected(one, 1.03, NOW + draw.randrange(1, 600) * HOUR) for one in draw.sample(old, 40)]
    before = walk("AAA", START - 40 * DAY, START, NOW + 9 * DAY)
    unlisted = walk("CCC", START, datetime(2024, 1, 20, tzinfo=NOW.tzinfo), NOW + 9 * DAY)
    new = walk("DDD", START, NOW, NOW + 12 * DAY)
    since = [one for symbol in ("AAA", "CCC", "DDD") for one in walk(symbol, NOW, LATER)]
    everything = [*filled.candles, *fixes, *before, *unlisted, *new, *since]
    return Folder(tmp_path_factory.mktemp("later"), everything, now=LATER)


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.service.name)
def test_the_same_rows_come_out_after_corrections_backfills_and_new_symbols(
    later: Folder, built: Path, one: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", LATER.isoformat())
    found = rebuild(later.origin(one), of(built / one.service.name))
    assert found.why == ()
    assert found.where == ()
    assert found.same
    now = later.lake.table("moves").read(columns=["symbol", "event_timestamp", "range_1"])
    was = pl.read_parquet(built / one.service.name / "data" / "*.parquet")
    moved = was.join(now, on=["symbol", "event_timestamp"])
    if "range_1" in was.columns:
        assert (moved["range_1"] != moved["range_1_right"]).sum() > 20, "nothing was corrected, so nothing is proven"


def test_what_is_missing_of_the_candles_of_then_is_named(
    filled: Folder, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    lost = [
        one
        for one in filled.candles
        if (one.symbol, one.open_time) != ("AAA", datetime(2024, 2, 20, 23, tzinfo=NOW.tzinfo))
    ]
    found = rebuild(Folder(tmp_path / "lost", lost).origin(whole), of(built / "whole"))
    assert found.why == ("candles of 2024-02 is not what it was: other rows had been seen by then",)
    assert not found.same


def test_a_changed_feature_is_named_and_its_columns_and_row_group(
    filled: Folder, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    other = Feature("range_1", (pl.col("high") - pl.col("low")) / pl.col("open"), "Otherwise.", "ratio")
    changed = replace(moves, features=(moves.features[0], other))
    ranked = replace(among, joins=(replace_table(among.joins[0], changed),))
    again = TrainingSet(
        "whole", features=[changed, ranked], label=whole.label, weights=whole.weights, folds=whole.folds
    )
    folder = Folder(tmp_path / "changed", filled.candles, Catalog(candles, again))
    found = rebuild(folder.origin(again), of(built / "whole"))
    assert found.why == ("the code changed: moves:range_1 is computed otherwise",)
    assert found.where == tuple(f"data/2024-0{n}.parquet: row group 0 differs, in range_1" for n in (1, 2, 3))
    renamed = replace(
        moves,
        features=(
            moves.features[0],
            replace(moves.features[1], expression=(pl.col("high") - pl.col("low")) * 1 / CLOSE),
        ),
    )
    ranked = replace(among, joins=(replace_table(among.joins[0], renamed),))
    same = TrainingSet("whole", features=[renamed, ranked], label=whole.label, weights=whole.weights, folds=whole.folds)
    equal = rebuild(
        Folder(tmp_path / "renamed", filled.candles, Catalog(candles, same)).origin(same), of(built / "whole")
    )
    assert equal.why == (
        "code or libraries changed: moves:range_1 is defined otherwise, and behaves the same on the probe market",
    )
    assert equal.same


def replace_table(join: Any, table: Any) -> Any:
    return type(join)(table, join.lookback, at=join.at)


def test_a_changed_declaration_is_named(folder: Folder, built: Path) -> None:
    other = replace(whole, label=forward_return("ahead_3d", bars=days, horizon="2d"))
    found = rebuild(folder.origin(other, Catalog(candles, other)), of(built / "whole"))
    (why,) = found.why
    assert why.startswith("the declaration changed: label was")
    assert "'horizon': '2d'" in why
    assert not found.same


def test_a_whole_set_is_as_written(copy: Path) -> None:
    assert differences(of(copy)) == []


def change_rows(path: Path) -> str:
    file = UPath(path / "data" / "2024-02.parquet")
    rows = pl.read_parquet(str(file)).with_columns(pl.col("range_1") * 2)
    parquet.write(file, rows)
    return "data/2024-02.parquet: row group 0 holds other rows"


def flip_a_bit(path: Path) -> str:
    file = path / "data" / "2024-02.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)
    return "data/2024-02.parquet: its bytes are not those that were written, and its rows cannot be read"


def write_alike(path: Path) -> str:
    file = path / "data" / "2024-02.parquet"
    pl.read_parquet(file).write_parquet(file)
    return "data/2024-02.parquet: its bytes are not those that were written, and its rows are"


def delete_a_month(path: Path) -> str:
    (path / "data" / "2024-02.parquet").unlink()
    return "data/2024-02.parquet: is missing"


def add_a_month(path: Path) -> str:
    shutil.copy(path / "data" / "2024-02.parquet", path / "data" / "2024-09.parquet")
    return "data/2024-09.parquet: is not in the manifest"


def edit_the_manifest(path: Path) -> str:
    document = json.loads((path / MANIFEST).read_text())
    document[OWN]["label"]["labelled"] += 1
    (path / MANIFEST).write_text(json.dumps(document))
    return "manifest.json was changed after it was written"


def change_rows_and_manifest(path: Path) -> str:
    """A file that was changed, with a manifest that was made to fit, but for the digest of the set."""
    change_rows(path)
    document = json.loads((path / MANIFEST).read_text())
    document[OWN]["files"][1]["row_groups"] = ["0" * 16]
    document[OWN]["checksum"] = checksum(document[OWN])
    (path / MANIFEST).write_text(json.dumps(document))
    return "the digest of the set is not that of its files, as manifest.json lists them"


@pytest.mark.parametrize(
    "damage",
    [change_rows, flip_a_bit, write_alike, delete_a_month, add_a_month, edit_the_manifest, change_rows_and_manifest],
)
def test_verify_names_the_first_thing_that_differs(copy: Path, damage: Callable[[Path], str]) -> None:
    said = damage(copy)
    assert differences(of(copy))[0] == said


def test_the_row_group_that_differs_is_named(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crypto_features.training.folder.GROUP", 20)
    monkeypatch.setattr("crypto_features.training.digests.GROUP", 20)
    build(folder.origin(barriers), of(tmp_path / "set"))
    file = UPath(tmp_path / "set" / "data" / "2024-02.parquet")
    rows = pl.read_parquet(str(file)).with_row_index()
    assert rows.height > 60
    changed = rows.with_columns(pl.when(pl.col("index") == 47).then(0.5).otherwise("range_1").alias("range_1"))
    parquet.write(file, changed.drop("index"), groups=[20] * (rows.height // 20) + [rows.height % 20])
    assert differences(of(tmp_path / "set")) == ["data/2024-02.parquet: row group 2 holds other rows"]


def test_equal_builds_have_equal_files(folder: Folder, built: Path, tmp_path: Path) -> None:
    build(folder.origin(whole), of(tmp_path / "again"))
    one, other = (
        {p.name: p.read_bytes() for p in (path / "data").iterdir()} for path in (built / "whole", tmp_path / "again")
    )
    assert one == other
    assert (built / "whole" / MANIFEST).read_bytes() == (tmp_path / "again" / MANIFEST).read_bytes()


BUILDER = """
import json, os, signal, sys, time
from datetime import timedelta
from upath import UPath
from crypto_features.lake.history import history
from crypto_features.training.build import Origin, build
from crypto_features.training.folder import SetFolder

root, versions, definitions = json.loads(sys.stdin.readline())
for line in sys.stdin:
    path, seconds = json.loads(line)
    child, began = os.fork(), time.perf_counter()
    if not child:
        from tests.training.sets_catalog import catalog, whole

        past = history(UPath(root), catalog, interval=timedelta(hours=1), wait=timedelta(hours=1))
        build(Origin(whole, catalog, UPath(root), past, versions, definitions), SetFolder(UPath(path)))
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(time.perf_counter() - began, flush=True)
"""
"""Forks a process for each build, and kills it after some seconds; it imports Polars and computes nothing with
it, which a declaration does."""


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_kills_at_any_moment_leave_no_folder_that_looks_complete(
    folder: Folder, built: Path, tmp_path: Path, count: Callable[..., int]
) -> None:
    """Each build is killed at a random moment; the next one into the same folder, which is left alone, is whole."""
    kills, draw, states = count(ci=4, proof=50), random.Random(5), []
    digest, origin = of(built / "whole").manifest["digest"], folder.origin(whole)
    code = [{table: dict(columns) for table, columns in part.items()} for part in (origin.versions, origin.definitions)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-c", BUILDER]
    with subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None

        def run(path: Path, seconds: float | None) -> float:
            child.stdin.write(f"{json.dumps([str(path), seconds])}\n")  # type: ignore[union-attr] # it has one.
            child.stdin.flush()  # type: ignore[union-attr] # as above.
            return float(child.stdout.readline())  # type: ignore[union-attr] # as above.

        child.stdin.write(f"{json.dumps([str(folder.lake.root), *code])}\n")
        length = run(tmp_path / "whole", None)
        assert of(tmp_path / "whole").manifest["digest"] == digest
        for number in range(kills):
            path = tmp_path / f"killed-{number}"
            run(path, draw.uniform(0, 0.8 * length))
            months = len([*path.rglob("*.parquet")])
            if (path / MANIFEST).exists():
                states.append("complete")
            else:
                states.append(f"{months} months")
                with pytest.raises(InputError, match="half-written" if (path / "data").exists() else "is not a"):
                    differences(of(path))
                run(path, None)
            assert differences(of(path)) == []
            assert of(path).manifest["digest"] == digest
        child.stdin.close()
    print(sorted(states))
    assert len(states) == kills


def test_a_manifest_is_croissant_as_its_specification_asks(built: Path) -> None:
    """What mlcroissant checks without a network: known types, and references that lead somewhere."""
    document = json.loads((built / "whole" / MANIFEST).read_text())
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert {"name", "description", "license", "url", "creator", "datePublished", "@context"} <= document.keys()
    together, *files = document["distribution"]
    assert (together["@type"], together["includes"]) == ("cr:FileSet", "data/*.parquet")
    there = {f"data/{path.name}" for path in (built / "whole" / "data").iterdir()}
    assert {file["contentUrl"] for file in files} == there
    (record,) = document["recordSet"]
    columns = pl.read_parquet_schema(built / "whole" / files[0]["contentUrl"])
    assert [field["name"] for field in record["field"]] == list(columns)
    ids = {field["@id"] for field in record["field"]}
    assert {key["@id"] for key in record["key"]} <= ids
    assert all(field["source"]["fileSet"] == {"@id": together["@id"]} for field in record["field"])
